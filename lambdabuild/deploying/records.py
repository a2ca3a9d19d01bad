"""Who brought which functions where: written before anything changes, and when it has ended.

    begun   {"version": 1, "id", "kind": "deploy" or "rollback", "undoes": id or null, "resumes": [id, …],
             "workspace", "account", "region", "who": ARN, "at", "commit", "dirty",
             "functions": [{"function", "label", "platform", "hash", "from", "to",
                            "alias": {"name", "version"} or null}, …]}
    ended   {"version": 1, "id", "at", "functions": {name: {"status", "version"}}}

`from` and `to` are as `Deployed.to_json` writes them; `at` is UTC, and for people alone: order is by the
store's clock. A record without an end is of a deploy that was cut off. Nobody changes a record.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lambdabuild.deploying.deployed import Deployed, read_deployed
from lambdabuild.deploying.documents import Documents
from lambdabuild.digest import key_of
from lambdabuild.errors import UserError, escaped
from lambdabuild.oci.digest import OciDigest

VERSION: Final = 1
DEPLOY, ROLLBACK = "deploy", "rollback"

LOOK_BACK: Final = 100
"""Records that are looked through for one to undo or to go on with, the latest first."""

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
_BEGUN, _ENDED = "begun", "ended"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose functions: records of others are not seen."""

    workspace: str
    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.workspace} in {self.account}, {self.region}"

    @property
    def prefix(self) -> str:
        return f"deploys/{key_of('deploys', [self.workspace, self.account, self.region])}/"


@dataclass(frozen=True, slots=True)
class FunctionRecord:
    """One function of a deploy. alias, alias_version: where an alias pointed before; "" for none."""

    name: str
    label: str
    platform: str
    hash: str
    before: Deployed
    wanted: Deployed
    alias: str = ""
    alias_version: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "function": self.name,
            "label": self.label,
            "platform": self.platform,
            "hash": self.hash,
            "from": self.before.to_json(),
            "to": self.wanted.to_json(),
            "alias": {"name": self.alias, "version": self.alias_version} if self.alias else None,
        }


@dataclass(frozen=True, slots=True)
class Record:
    """A deploy, as it was going to be, and how it ended.

    undoes:  the deploy that this one rolls back, "" for none.
    resumes: earlier ones that were cut off, and that this one goes on with; they end with it.
    ended:   the status of each function; None if nobody knows: it was cut off, or is still under way.
    """

    id: str
    kind: str
    place: Place
    who: str
    at: str
    commit: str
    dirty: bool
    functions: tuple[FunctionRecord, ...]
    undoes: str = ""
    resumes: tuple[str, ...] = ()
    ended: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "id": self.id,
            "kind": self.kind,
            "undoes": self.undoes or None,
            "resumes": list(self.resumes),
            "workspace": self.place.workspace,
            "account": self.place.account,
            "region": self.place.region,
            "who": self.who,
            "at": self.at,
            "commit": self.commit or None,
            "dirty": self.dirty,
            "functions": [each.to_json() for each in self.functions],
        }


def new_id(now: datetime) -> str:
    """Returns a name for a record, which tells people when it was.

    The last part begins with microseconds: the store tells seconds, and within one the names tell the order.
    """
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond:05x}{secrets.randbelow(16**3):03x}"


def timestamp(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds")


class Records:
    """The records of one place. For one thread."""

    def __init__(self, documents: Documents, place: Place) -> None:
        self._documents = documents
        self.place = place

    def begin(self, record: Record) -> None:
        """Keeps what is going to be done."""
        self._documents.create(self._key(record.id, _BEGUN), _encoded(record.to_json()))

    def end(self, id_: str, now: datetime, outcomes: Mapping[str, tuple[str, str]]) -> None:
        """Keeps how it ended. outcomes: status and published version of each function."""
        functions = {name: {"status": status, "version": each} for name, (status, each) in outcomes.items()}
        document = {"version": VERSION, "id": id_, "at": timestamp(now), "functions": functions}
        self._documents.create(self._key(id_, _ENDED), _encoded(document))

    def find(self, id_: str) -> Record:
        """Returns the record `id_`; raises UserError if there is none."""
        found = self._read(id_) if _ID.fullmatch(id_) else None
        if found is None:
            raise UserError(
                f"there is no deploy {id_!r} of {self.place}",
                hint="lambdabuild deploy prints the id of each; without one, --rollback takes the latest",
            )
        return found

    def latest(self) -> Iterator[Record]:
        """Yields the last records, the latest first, each read when it is wanted."""
        begun, _ = self._listed()
        yield from filter(None, map(self._read, begun[:LOOK_BACK]))

    def unfinished(self) -> tuple[Record, ...]:
        """Returns those of the last records that have no end, the latest first: they were cut off."""
        begun, ended = self._listed()
        found = map(self._read, (id_ for id_ in begun[:LOOK_BACK] if id_ not in ended))
        return tuple(filter(None, found))

    def _listed(self) -> tuple[Sequence[str], Collection[str]]:
        """Returns the ids of all records, the latest first, and of those that have an end."""
        times: dict[str, float] = {}
        ended = set()
        for key, at in self._documents.list(self.place.prefix).items():
            id_, _, what = key.partition("/")
            if what == _ENDED:
                ended.add(id_)
            elif what == _BEGUN and _ID.fullmatch(id_):
                times[id_] = at
        return sorted(times, key=lambda id_: (times[id_], id_), reverse=True), ended

    def _read(self, id_: str) -> Record | None:
        """Returns a record; None if it is not there, or none that this release can have written."""
        data = self._documents.read(self._key(id_, _BEGUN))
        if data is None:
            return None
        try:
            return _record(json.loads(data), self.place, id_, self._ended(id_))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    def _ended(self, id_: str) -> Mapping[str, str] | None:
        data = self._documents.read(self._key(id_, _ENDED))
        if data is None:
            return None
        found = json.loads(data)["functions"]
        return {str(name): str(each["status"]) for name, each in found.items()}

    def _key(self, id_: str, what: str) -> str:
        return f"{self.place.prefix}{id_}/{what}"


def images_of_deploys(documents: Documents) -> frozenset[OciDigest]:
    """Returns the images of each function's last deploy, that before it, too, in all accounts and workspaces.

    So what a rollback brings back, and what functions run that are not of this account.
    """
    times = documents.list("deploys/")
    found: dict[tuple[str, str], frozenset[OciDigest]] = {}
    read: Counter[str] = Counter()
    for key in sorted(times, key=lambda key: (times[key], key), reverse=True):
        place, _, rest = key.partition("/")
        if not rest.endswith(f"/{_BEGUN}") or read[place] >= LOOK_BACK:
            continue
        read[place] += 1
        for name, images in _images_of(documents.read(f"deploys/{key}")).items():
            found.setdefault((place, name), images)
    return frozenset().union(*found.values())


def _images_of(data: bytes | None) -> Mapping[str, frozenset[OciDigest]]:
    """Returns the images of each function of a record; nothing for one that no rollback could read either."""
    try:
        functions = map(_function, json.loads(data or b"")["functions"])
        return {each.name: frozenset({each.before.digest, each.wanted.digest}) for each in functions}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}


def _record(document: Any, place: Place, id_: str, ended: Mapping[str, str] | None) -> Record:
    if document["version"] != VERSION or document["id"] != id_:
        raise ValueError("another release's record, or another record's")
    return Record(
        id_,
        str(document["kind"]),
        place,
        escaped(str(document["who"])),
        escaped(str(document["at"])),
        escaped(str(document["commit"] or "")),
        bool(document["dirty"]),
        tuple(map(_function, document["functions"])),
        str(document["undoes"] or ""),
        tuple(map(str, document["resumes"])),
        ended,
    )


def _function(document: Any) -> FunctionRecord:
    alias = document["alias"] or {"name": "", "version": ""}
    return FunctionRecord(
        escaped(str(document["function"])),
        escaped(str(document["label"])),
        escaped(str(document["platform"])),
        escaped(str(document["hash"])),
        read_deployed(document["from"]),
        read_deployed(document["to"]),
        escaped(str(alias["name"])),
        escaped(str(alias["version"])),
    )


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode()
