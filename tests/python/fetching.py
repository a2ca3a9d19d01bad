"""Fetching one file from a package index of a test's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.python.index import Index, Settings, read_settings
from tests.python.faulty_index import never, sha256

NAME = "demo_pkg-1.0-py3-none-any.whl"
PROJECT = "Demo.Pkg"
PAGE = "/simple/demo-pkg/"
CONTENT = bytes(range(256)) * 1000
SECRET = "pa%3Ass+w%40rd"  # as it stands in a URL
PLAIN = "pa:ss+w@rd"


def settings_of(*urls: str, home: str = "/nowhere", **environ: str) -> Settings:
    variables = {"PIP_INDEX_URL": urls[0], "PIP_EXTRA_INDEX_URL": " ".join(urls[1:])} if urls else {}
    settings = read_settings({**variables, **environ}, Path(home), [])
    return replace(settings, retries=2, timeout=10, backoff=0.01)


def fetch(settings: Settings, target: Path, content: bytes = CONTENT, name: str = NAME) -> bytes:
    Index(settings).fetch(PROJECT, name, len(content), sha256(content), target, never)
    return target.read_bytes()


def failure(settings: Settings, target: Path, content: bytes = CONTENT) -> str:
    """Returns all that the error says, once it is known that nothing is left."""
    with pytest.raises(ExternalError) as caught:
        Index(settings).fetch(PROJECT, NAME, len(content), sha256(content), target, never)
    assert list(target.parent.iterdir()) == []
    assert caught.value.message.startswith(f"cannot get {NAME} of {PROJECT}: ")
    assert caught.value.hint
    return "\n".join([caught.value.message, *caught.value.details, caught.value.hint])
