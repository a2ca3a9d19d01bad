"""What somebody names to compare: a target's hash or tag, a key, or a file with documents.

Files are what `lambdabuild hash --json` wrote, so that two machines or two
checkouts can be compared, or one document as the action cache keeps it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambdabuild.digest import Key, key_of
from lambdabuild.errors import Location, UserError
from lambdabuild.explain.history import History, Remembered, read_document
from lambdabuild.explain.state import TARGET, Find, Hashed, Maker, hashed

_TAG = re.compile(r"b3-([0-9a-f]{32})")
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Named:
    """A document, and what finds those below it."""

    start: Hashed
    find: Find


class Documents:
    """What is known on this machine.

    document: gives the document of a key from the action cache.
    """

    def __init__(self, history: History, document: Callable[[Key], bytes | None]) -> None:
        self._history = history
        self._document = document
        self._remembered = Remembered(history, document)

    def find(self, name: str) -> Named:
        """Returns what `name` names; raises UserError for what is not known, or no document."""
        tag = _TAG.fullmatch(name)
        if not tag and not _KEY.fullmatch(name):
            return self._in_file(name)
        state = self._history.with_hash(tag[1] if tag else name)
        if state:
            return Named(state.target, self._remembered)
        start = self._by_key(Key(name))
        if start is None:
            raise UserError(
                f"nothing is known here of {name}",
                hint="where it is known, `lambdabuild hash --json TARGET > FILE`, and compare the file",
            )
        return Named(start, self._remembered)

    def _by_key(self, key: Key) -> Hashed | None:
        data = self._document(key)
        return read_document(key, data) if data is not None else None

    def _in_file(self, path: str) -> Named:
        try:
            document = json.loads(Path(path).read_bytes())
        except OSError as error:
            hint = "name a hash of 64 digits, a tag b3-…, or a file that `lambdabuild hash --json` wrote"
            raise UserError(f"{path!r} is neither a hash nor a file: {error.strerror}", hint=hint) from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"it is not JSON: {error}", at=Location(path)) from None
        try:
            if isinstance(document, dict) and "targets" in document:
                return self._of_targets(document, path)
            kind = (
                "target" if isinstance(document, list) else "action" if "input_root" in document else "deep"
            )
            return Named(hashed(key_of(kind, document), None, document), self._remembered)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UserError(
                "it holds no documents that are hashed",
                at=Location(path),
                hint="lambdabuild hash --json TARGET",
            ) from None

    def _of_targets(self, document: dict[str, Any], path: str) -> Named:
        """Returns the one target in what `hash --json` wrote; raises UserError if there are more."""
        targets = document["targets"]
        if len(targets) != 1:
            raise UserError(
                f"it holds {len(targets)} targets, and one is compared",
                at=Location(path),
                hint="lambdabuild hash --json TARGET --platform OS/ARCH",
            )
        target, origins = targets[0], document.get("origins", {})
        maker = Maker(str(target["label"]), str(target["platform"]), TARGET)
        start = hashed(Key(str(target["hash"])), maker, target["document"], target.get("origins"))
        actions = {
            Key(key): hashed(Key(key), None, each, origins.get(key))
            for key, each in document["actions"].items()
        }

        def find(key: Key, maker: Maker | None) -> Hashed | None:
            found = actions.get(key)
            if found is None:
                return self._remembered(key, maker)
            return Hashed(key, maker, found.fields, found.inputs, found.origins)

        return Named(start, find)


def _kind(document: object) -> str:
    """Returns the kind of document that its key is derived with (docs/hashing.md)."""
    if isinstance(document, list):
        return "target"
    return "action" if isinstance(document, dict) and "input_root" in document else "deep"
