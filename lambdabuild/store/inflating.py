"""Compressed documents that came from outside, inflated within bounds."""

from __future__ import annotations

import zlib
from typing import Final

RAW: Final = -15
"""zlib's window bits for deflate without a header (RFC 1951)."""

ZLIB: Final = 15
"""Those for a zlib stream (RFC 1950)."""


def inflated(data: bytes, most: int, wbits: int = RAW) -> bytes:
    """Returns what a stream holds; raises ValueError unless it is whole, alone and `most` bytes at most."""
    stream = zlib.decompressobj(wbits)
    try:
        text = stream.decompress(data, most + 1)  # one more, so that a bomb is told from an end
    except zlib.error:
        raise ValueError("it is damaged") from None
    if len(text) > most or not stream.eof or stream.unused_data:
        raise ValueError("it is damaged, or too large")
    return text
