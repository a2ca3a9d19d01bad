"""Tells whether a word is part of a merchant's name: exactly, or with the extra `fuzzy` nearly."""

try:
    from rapidfuzz.fuzz import ratio
except ImportError:

    def ratio(one: str, other: str) -> float:
        """Stands in for rapidfuzz: equal or not."""
        return 100.0 * (one == other)


_ENOUGH = 85.0


def belongs_to(word: str, merchant: str) -> bool:
    """Tells whether `word` is nearly a word of `merchant`."""
    return any(ratio(word.upper(), part) >= _ENOUGH for part in merchant.upper().split())
