"""Lists all receipts."""

import os

from receipt_dynamo import load_receipts


def lambda_handler(event, context):
    """Returns merchant and total of every receipt, and the table they came from."""
    receipts = [{"merchant": receipt.merchant, "total": receipt.total} for receipt in load_receipts()]
    return {"table": os.environ["RECEIPTS_TABLE"], "receipts": receipts}


def count(event, context):
    """Returns how many receipts there are."""
    return {"receipts": len(load_receipts())}
