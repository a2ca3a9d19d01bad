"""Dockerfiles: parsed, planned, held against a context, and rewritten for engines."""
