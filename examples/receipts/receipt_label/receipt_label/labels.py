"""Says what each word of a receipt is."""

import re

from pydantic import BaseModel, Field
from receipt_dynamo import Receipt

from receipt_label.merchants import belongs_to

_AMOUNT = re.compile(r"\d+\.\d\d")


class Labels(BaseModel):
    """The words of a receipt, by what they are."""

    merchant: list[str] = Field(default_factory=list)
    item: list[str] = Field(default_factory=list)
    amount: list[str] = Field(default_factory=list)
    total: list[str] = Field(default_factory=list)


def label_words(receipt: Receipt) -> Labels:
    """Returns the labels of a receipt's words."""
    labels = Labels()
    previous = ""
    for word in receipt.words:
        if belongs_to(word, receipt.merchant):
            labels.merchant.append(word)
        elif _AMOUNT.fullmatch(word):
            (labels.total if previous == "TOTAL" else labels.amount).append(word)
        elif word != "TOTAL":
            labels.item.append(word)
        previous = word
    return labels
