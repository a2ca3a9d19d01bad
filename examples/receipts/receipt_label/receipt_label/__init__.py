"""Labels for the words of a receipt."""

from receipt_label.labels import label_words

__all__ = ["label_words"]
