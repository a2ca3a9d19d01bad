"""What a remote build took, and what it is going to cost by listed prices.

Estimates: the bill also knows free tiers, discounts, taxes, the storage of what
stays, and what CodeBuild counts of a build's time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from lambdabuild.aws.meter import Usage
from lambdabuild.errors import ExternalError, UserError, did_you_mean
from lambdabuild.remote.states import BuildState
from lambdabuild.toml_file import TomlFile

_TEXTS = ("date", "source")
_WRITES = ("s3:Put", "s3:Copy", "s3:Post", "s3:List", "s3:Create", "s3:Upload", "s3:Complete")
_READS = ("s3:Get", "s3:Head", "s3:Select")
_UNBILLED_PHASES = frozenset({"QUEUED"})


@dataclass(frozen=True, slots=True)
class Prices:
    """USD.

    date:   of the list, YYYY-MM-DD.
    source: its pages.
    table:  section -> key -> price, as in prices.toml.
    """

    date: str
    source: str
    table: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Costs:
    """Estimated USD. unpriced: kinds of builds that the list has no price for, and that count nothing."""

    builds: float
    requests: float
    transfer: float
    unpriced: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        return self.builds + self.requests + self.transfer


@dataclass(frozen=True, slots=True)
class Account:
    """What a build took.

    uploaded: bytes sent to the store, compressed.
    saved:    bytes of inputs that did not have to be sent.
    usage:    all requests.
    builds:   as they ended.
    """

    uploaded: int
    saved: int
    usage: Usage
    builds: tuple[BuildState, ...]
    costs: Costs

    def phases(self) -> Mapping[str, float]:
        """Returns seconds by phase, over all builds, in the order in which phases come."""
        seconds: dict[str, float] = {}
        for build in self.builds:
            for phase in build.phases:
                if phase.seconds is not None:
                    seconds[phase.name] = seconds.get(phase.name, 0.0) + phase.seconds
        return seconds

    def to_json(self) -> dict[str, Any]:
        return {
            "uploaded_bytes": self.uploaded,
            "saved_bytes": self.saved,
            "requests": dict(sorted(self.usage.requests.items())),
            "sent_bytes": self.usage.sent,
            "received_bytes": self.usage.received,
            "builds": [
                {"id": build.id, "status": build.status, "console": build.console} for build in self.builds
            ],
            "phase_seconds": {name: round(seconds, 3) for name, seconds in self.phases().items()},
            "estimated_usd": {
                **{name: round(usd, 6) for name, usd in asdict(self.costs).items() if name != "unpriced"},
                "total": round(self.costs.total, 6),
            },
            "unpriced": list(self.costs.unpriced),
        }


def read_prices(path: Path | None = None) -> Prices:
    """Returns the prices of the package, with those of the file at `path` before them.

    Raises UserError for a file with other keys or with what is no price.
    """
    listed = TomlFile.parse(
        "prices.toml", files("lambdabuild.remote").joinpath("prices.toml").read_bytes(), hint=None
    ).document
    prices = _prices(listed)
    if path is None:
        return prices
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"there is no file of prices {path}", hint="mend [codebuild] prices") from None
    except OSError as error:
        raise ExternalError(f"cannot read {path}: {error.strerror}", hint=f"make {path} readable") from error
    file = TomlFile.parse(str(path), data, hint="see prices.toml of lambdabuild for the keys there are")
    _check(file, listed)
    theirs = file.document
    table = {name: {**keys, **theirs.get(name, {})} for name, keys in prices.table.items()}
    texts = {name: theirs.get(name, listed[name]) for name in _TEXTS}
    return _prices({**texts, **table})


def estimate(usage: Usage, builds: Iterable[BuildState], prices: Prices) -> Costs:
    """Returns what requests and builds are going to cost."""
    spent = 0.0
    unpriced: set[str] = set()
    for build in builds:
        cost = _build_cost(build, prices)
        if cost is None:
            unpriced.add(f"{build.environment} {build.compute}")
        spent += cost or 0.0
    thousand, gigabyte = prices.table["s3-thousand"], prices.table["gigabyte"]
    requests = _count(usage, _WRITES) * thousand["write"] + _count(usage, _READS) * thousand["read"]
    transfer = usage.sent * gigabyte["sent"] + usage.received * gigabyte["received"]
    return Costs(spent, requests / 1000, transfer / 1e9, tuple(sorted(unpriced)))


def billed_seconds(build: BuildState) -> float:
    """Returns how long a build is paid for: all its phases but waiting in the queue."""
    return sum(phase.seconds or 0.0 for phase in build.phases if phase.name not in _UNBILLED_PHASES)


def _build_cost(build: BuildState, prices: Prices) -> float | None:
    machine = "arm" if build.environment.startswith("ARM") else "linux"
    seconds = billed_seconds(build)
    if match := re.fullmatch(r"BUILD_LAMBDA_(\d+GB)", build.compute):
        price = prices.table["lambda-second"].get(f"{machine}-{match[1].lower()}")
        return None if price is None else price * math.ceil(seconds)
    size = build.compute.rpartition("_")[2].lower()
    price = prices.table["minute"].get(f"{machine}-{size}")
    return None if price is None else price * math.ceil(seconds / 60)


def _count(usage: Usage, kinds: tuple[str, ...]) -> int:
    return sum(count for name, count in usage.requests.items() if name.startswith(kinds))


def _prices(document: Mapping[str, Any]) -> Prices:
    table = {name: dict(keys) for name, keys in document.items() if name not in _TEXTS}
    return Prices(str(document["date"]), str(document["source"]), table)


def _check(file: TomlFile, listed: Mapping[str, Any]) -> None:
    """Raises UserError for the first key that is not in `listed`, or has a value of another kind."""
    for name, value in file.document.items():
        if name not in listed:
            raise file.refusal(f"there is no price {name}", name, hint=did_you_mean(name, listed))
        if name in _TEXTS:
            file.get(str, name)
            continue
        file.get(dict, name)
        for key, price in value.items():
            if key not in listed[name]:
                hint = did_you_mean(key, listed[name])
                raise file.refusal(f"there is no price {name}.{key}", name, key, hint=hint)
            number = isinstance(price, int | float) and not isinstance(price, bool)
            if not number or not 0 <= price < 1e6:
                raise file.refusal(f"{name}.{key} must be a number of USD, not negative", name, key)
