"""Receipts, as the table keeps them."""

from receipt_dynamo.receipt import Receipt
from receipt_dynamo.table import load_receipt, load_receipts

__all__ = ["Receipt", "load_receipt", "load_receipts"]
