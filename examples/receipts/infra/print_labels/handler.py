"""Prints the labels of one receipt, on the printer that the Dockerfile has set up."""

import pwd
from pathlib import Path

from receipt_dynamo import load_receipt
from receipt_label import label_words


def lambda_handler(event, context):
    """Returns what was printed of the receipt that `event` names by receipt_id, and in whose spool."""
    labels = label_words(load_receipt(event["receipt_id"])).model_dump()
    spool = Path(pwd.getpwnam("printer").pw_dir)
    return {"printed": sum(map(len, labels.values())), "spool": str(spool), "owner": spool.owner()}
