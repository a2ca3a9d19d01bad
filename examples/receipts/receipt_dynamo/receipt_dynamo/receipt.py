"""The receipt entity."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Receipt:
    """One receipt. Amounts are in cents."""

    receipt_id: int
    merchant: str
    words: tuple[str, ...]
    total: int
