"""Checks that the amounts of a receipt add up."""

from receipt_dynamo import load_receipt
from receipt_label import label_words


def lambda_handler(event, context):
    """Returns whether the amounts of the receipt that `event` names add up to its total."""
    receipt = load_receipt(event["receipt_id"])
    amounts = label_words(receipt).amount
    found = sum(round(float(amount) * 100) for amount in amounts)
    return {"receipt_id": receipt.receipt_id, "total": receipt.total, "adds_up": found == receipt.total}
