"""Reads receipts. A JSON file stands in for the table, so that the example needs no account."""

import json
from importlib import resources

from receipt_dynamo.receipt import Receipt


def load_receipts() -> list[Receipt]:
    """Returns all receipts, by id."""
    text = resources.files("receipt_dynamo").joinpath("receipts.json").read_text()
    return [Receipt(r["receipt_id"], r["merchant"], tuple(r["words"]), r["total"]) for r in json.loads(text)]


def load_receipt(receipt_id: int) -> Receipt:
    """Returns one receipt; raises KeyError if there is none."""
    for receipt in load_receipts():
        if receipt.receipt_id == receipt_id:
            return receipt
    raise KeyError(f"no receipt {receipt_id}")
