"""Labels the words of one receipt."""

import json
from pathlib import Path

from receipt_dynamo import load_receipt
from receipt_label import label_words

SETTINGS = json.loads(Path(__file__).with_name("settings.json").read_text())


def lambda_handler(event, context):
    """Returns the labels of the receipt that `event` names by receipt_id."""
    receipt = load_receipt(event["receipt_id"])
    labels = label_words(receipt).model_dump()
    return {"title": f"{SETTINGS['greeting']} {receipt.merchant}", "labels": labels}
