"""A blob, streamed: verified, and taken up again where a connection was cut.

Source: OCI distribution spec, "Pulling blobs", and RFC 9110, 14 (ranges), which
registries may leave out: then what came before is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lambdabuild.oci.registry.transport import Answer, Request
from lambdabuild.oci.registry.trouble import Trouble
from lambdabuild.oci.registry.work import Work

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


def download(work: Work, url: str, size: int) -> Iterator[bytes]:
    """Yields the blob at `url`, unverified, at most about `size` bytes; raises Trouble."""
    got, retries = 0, work.retries()
    while True:
        try:
            for piece in _rest(work, url, size, got):
                got += len(piece)
                yield piece
            if got < size:
                raise Trouble(work.session.host, f"gave only {got} of its {size} bytes", again=True)
            return
        except Trouble as trouble:
            retries.failed(trouble, got)


def _rest(work: Work, url: str, size: int, got: int) -> Iterator[bytes]:
    """Yields the blob from byte `got` on."""
    headers = {"Range": f"bytes={got}-"} if got else {}
    with work.ask(Request("GET", url, headers)) as answer:
        work.expect(answer, (200, 206) if got else (200,))
        skip = 0 if answer.status == 206 else got
        if answer.status == 206:
            _check_range(answer, got)
        _check_length(answer, size if answer.status == 200 else size - got)
        for piece in answer.pieces():
            kept = piece[skip:]
            skip -= len(piece) - len(kept)
            if kept:
                yield kept


def _check_range(answer: Answer, got: int) -> None:
    text = answer.headers.get("Content-Range", "")
    found = _CONTENT_RANGE.fullmatch(text)
    if found is None or int(found[1]) != got:
        raise Trouble(answer.host, f"was asked for bytes from {got} on and gave {text!r:.60}")


def _check_length(answer: Answer, size: int) -> None:
    text = answer.headers.get("Content-Length", "")
    if text.isascii() and text.isdecimal() and int(text) != size:
        raise Trouble(answer.host, f"has it with {int(text)} bytes instead of {size}")
