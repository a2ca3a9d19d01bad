"""What goes and what stays."""
