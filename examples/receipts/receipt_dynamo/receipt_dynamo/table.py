"""Reads receipts. Items of a file stand in for the table, so that the example needs no account."""

import json
from importlib import resources

from boto3.dynamodb.types import TypeDeserializer

from receipt_dynamo.receipt import Receipt

_DESERIALIZER = TypeDeserializer()


def load_receipts() -> list[Receipt]:
    """Returns all receipts, by id."""
    items = json.loads(resources.files("receipt_dynamo").joinpath("items.json").read_text())
    return [_receipt(item) for item in items]


def load_receipt(receipt_id: int) -> Receipt:
    """Returns one receipt; raises KeyError if there is none."""
    for receipt in load_receipts():
        if receipt.receipt_id == receipt_id:
            return receipt
    raise KeyError(f"no receipt {receipt_id}")


def _receipt(item: dict) -> Receipt:
    """Returns the receipt in an item as DynamoDB writes it."""
    values = {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
    return Receipt(
        receipt_id=int(values["receipt_id"]),
        merchant=values["merchant"],
        words=tuple(values["words"]),
        total=int(values["total"]),
    )
