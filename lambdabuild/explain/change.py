"""Change: one thing that is not what it was. `kind` says which thing:

* `edited`, `added`, `removed`: a file; `place` is its path in the workspace, `old` and `new`
  digests, with " +x" of an executable file that came or went.
* `renamed`: a file with the same bytes; `place` and `new` are its path now, `old` that of before.
* `mode`: the executable bit of a file, "-x" or "+x".
* `moved`: a file or package that goes elsewhere; `old` and `new` are places in the input root, or
  labels of those who take it.
* `attr`: a parameter, `place` as `a.b.c`; `old` and `new` are JSON.
* `tool`: `place` is its name; `old` and `new` are versions, or names. `platform`, `rule`: likewise.
* `base`: an external image, `@name`; `old` and `new` are digests of its manifest.
* `package`: a third-party project; `old` and `new` are files of the index.
* `dependency`: `place` is a path in the input root; `old` and `new` are labels.
* `order`: of the inputs in a directory of the input root.
* `remade`, `unknown`: the action that `place` tells by tool and label; `old` and `new` are keys.
  What it was is not asked, or no longer known.

"" stands for none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

FILES = ("edited", "added", "removed", "renamed", "mode")
"""The kinds that a file itself caused, and no BUILD file."""


EXECUTABLE = " +x"
"""What follows the digest of an executable file that was added or removed."""


@dataclass(frozen=True, slots=True)
class Change:
    """One cause of another hash.

    via: labels from the target that was asked about to the one that takes what has changed.
    """

    kind: str
    place: str
    old: str = ""
    new: str = ""
    via: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The label of the target that takes it, "" where it is not known."""
        return self.via[-1] if self.via else ""

    def paths(self) -> frozenset[str]:
        """Returns the files that are not what they were."""
        if self.kind == "renamed":
            return frozenset((self.old, self.new))
        return frozenset((self.place,)) if self.kind in FILES else frozenset()

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "place": self.place,
            "old": self.old or None,
            "new": self.new or None,
            "via": list(self.via),
        }


def settle(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Returns each cause once, sorted: what left one place and came to another is one change."""
    first: dict[tuple[str, ...], Change] = {}
    for change in changes:
        # A file, the version of a tool and a platform are what they are for all that have them.
        owner = change.owner if change.kind in ("attr", "dependency", "order") else ""
        first.setdefault((change.kind, change.place, change.old, change.new, owner), change)
    kept = _joined(list(first.values()), _same_name)
    for likely in (_same_file_name, _any_name):
        kept = _joined(kept, likely)
    return tuple(sorted(kept, key=_rank))


def _rank(change: Change) -> tuple[object, ...]:
    # What people edit comes first, what merely follows last.
    late = change.kind in ("order", "remade", "unknown", "dependency")
    host = change.place.startswith("/")
    return (late, host, len(change.via), change.kind not in FILES, change.place, change.kind, change.new)


def _joined(changes: list[Change], match: Callable[[Change, Change], bool]) -> list[Change]:
    """Joins what is gone and what has come where they match; of several, the first by name."""
    gone = sorted((c for c in changes if c.old and not c.new and c.kind in _ENDS), key=lambda c: c.place)
    come = sorted((c for c in changes if c.new and not c.old and c.kind in _ENDS), key=lambda c: c.place)
    joined: list[Change] = []
    used: set[int] = set()
    for left in gone:
        for came in come:
            if id(came) not in used and _ENDS[left.kind] == _ENDS[came.kind] and match(left, came):
                used |= {id(left), id(came)}
                joined += _one(left, came)
                break
    return [change for change in changes if id(change) not in used] + joined


_ENDS = {"removed": "file", "added": "file", "package": "package"}


def _same_name(left: Change, came: Change) -> bool:
    return left.place == came.place


def _same_file_name(left: Change, came: Change) -> bool:
    name = came.place.rpartition("/")[2]
    return _any_name(left, came) and left.place.rpartition("/")[2] == name


def _any_name(left: Change, came: Change) -> bool:
    return left.kind != "package" and _digest(left.old) == _digest(came.new)


def _one(left: Change, came: Change) -> list[Change]:
    """Returns what happened to what was `left` and is `came`."""
    if left.kind == "package" and left.old != came.new:
        return [Change("package", came.place, left.old, came.new, came.via)]
    found = []
    if left.place != came.place:
        found.append(Change("renamed", came.place, left.place, came.place, came.via))
    elif left.kind != "package" and _digest(left.old) != _digest(came.new):
        found.append(Change("edited", came.place, _digest(left.old), _digest(came.new), came.via))
    was, now = (mode_of(text.endswith(EXECUTABLE)) for text in (left.old, came.new))
    if was != now:
        found.append(Change("mode", came.place, was, now, came.via))
    if not found and left.owner != came.owner:
        found.append(Change("moved", came.place, left.owner, came.owner, came.via))
    return found


def mode_of(executable: bool) -> str:
    """Returns how the mode of a file is written."""
    return "+x" if executable else "-x"


def _digest(text: str) -> str:
    return text.removesuffix(EXECUTABLE)
