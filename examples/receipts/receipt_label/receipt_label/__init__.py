"""Labels for the words of a receipt."""

from receipt_label.labels import Labels, label_words

__all__ = ["Labels", "label_words"]
