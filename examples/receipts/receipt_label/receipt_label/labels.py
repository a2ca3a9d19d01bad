"""Says what each word of a receipt is."""

import re

from receipt_dynamo import Receipt

_AMOUNT = re.compile(r"\d+\.\d\d")


def label_words(receipt: Receipt) -> dict[str, list[str]]:
    """Returns the words by label: MERCHANT, AMOUNT, TOTAL or ITEM."""
    labels: dict[str, list[str]] = {"MERCHANT": [], "ITEM": [], "AMOUNT": [], "TOTAL": []}
    merchant = set(receipt.merchant.upper().split())
    previous = ""
    for word in receipt.words:
        if word in merchant:
            labels["MERCHANT"].append(word)
        elif _AMOUNT.fullmatch(word):
            labels["TOTAL" if previous == "TOTAL" else "AMOUNT"].append(word)
        elif word != "TOTAL":
            labels["ITEM"].append(word)
        previous = word
    return labels
