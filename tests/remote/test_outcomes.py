"""Outcome documents: what a worker writes is read, and anything else is refused without a traceback."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.digest import digest_of
from lambdabuild.errors import ActionFailed, ExternalError
from lambdabuild.remote.outcomes import read_outcome

ORDER, KEY = "0" * 64, "1" * 64
ERROR = {"message": "it broke", "at": "BUILD:3", "hint": "mend it", "details": ["a"], "exit_code": 1}
PUSH = {
    "label": "//a:image",
    "platform": "linux/amd64",
    "reference": "localhost:5000/a/image:b3-0",
    "tags": [],
    "status": "pushed",
    "digest": "sha256:" + "2" * 64,
    "bytes_sent": 3,
    "blobs_sent": 1,
    "blobs_mounted": 0,
    "seconds": 0.5,
    "error": None,
}
WHOLE: dict[str, Any] = {
    "version": 1,
    "order": ORDER,
    "build": "p:1",
    "failures": [{"key": KEY, "label": "//a", "platform": "any", "error": ERROR, "log": ["last\x1b[2J"]}],
    "lost": [str(digest_of(b"x"))],
    "unknown": ["3" * 64],
    "refused": None,
    "pushes": [PUSH],
    "ran": [KEY],
}


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def test_what_a_worker_wrote_is_read() -> None:
    outcome = read_outcome(encoded(WHOLE), ORDER)
    failure = outcome.failures[KEY]  # type: ignore[index]
    assert isinstance(failure.error, ActionFailed)
    assert (failure.error.message, failure.error.hint) == ("it broke", "mend it")
    assert outcome.lost == {digest_of(b"x")}
    assert outcome.unknown == {"3" * 64}
    assert outcome.ran == {KEY}
    assert outcome.pushes[0].to_json() == PUSH


def test_control_characters_do_not_reach_the_terminal() -> None:
    outcome = read_outcome(encoded(WHOLE), ORDER)
    assert outcome.failures[KEY].log == ("last\\x1b[2J",)  # type: ignore[index]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(WHOLE)), json_values)
def test_a_changed_document_is_read_or_refused(name: str, value: object) -> None:
    with contextlib.suppress(ExternalError):
        assert read_outcome(encoded(WHOLE | {name: value}), ORDER)


@given(st.binary(max_size=30))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ExternalError):
        read_outcome(data, ORDER)


def test_the_outcome_of_another_order_is_refused() -> None:
    with pytest.raises(ExternalError, match="another order"):
        read_outcome(encoded(WHOLE), "4" * 64)
