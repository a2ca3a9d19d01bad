"""What `clean --remote` would remove, or has removed: as text and as JSON, with bytes and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdabuild.commands import options
from lambdabuild.remote.accounting import Prices, read_prices
from lambdabuild.retention.choose import Choice
from lambdabuild.retention.held import Held
from lambdabuild.retention.unneeded import Unneeded
from lambdabuild.ui import DIGEST_WIDTH, Ui, counted, size_of


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What goes of the remote store. place: its URL."""

    place: str
    gone: Unneeded

    def to_json(self) -> dict[str, Any]:
        return {
            "store": self.place,
            "results": len(self.gone.results),
            "blobs": self.gone.blobs,
            "objects": len(self.gone.objects),
            "rewritten": len(self.gone.packs),
            "documents": len(self.gone.documents),
            "bytes": self.gone.bytes,
        }


def tell(ui: Ui, where: options.Place, choice: Choice, stored: StoreReport | None, *, done: bool) -> None:
    """Prints what goes. done: whether it is gone."""
    path = where.workspace.text("codebuild.prices")
    prices = read_prices(where.workspace.root / path if path else None)
    document = _document(choice, stored, prices, done)
    if ui.as_json:
        ui.document(document)
    else:
        for line in _lines(choice.gone):
            ui.result(line)
    for each in document["repositories"]:
        ui.note(f"{each['repository']}: {counted(each['images'], 'image')}, {size_of(each['bytes'])}")
    if stored:
        ui.note(f"{stored.place}: {_contents(stored.gone)}, {size_of(stored.gone.bytes)}")
    for reason, count in document["kept"].items():
        ui.note(f"stays: {count}, {reason}")
    ui.note(_summary(document, stored, done))


def _summary(document: Mapping[str, Any], stored: StoreReport | None, done: bool) -> str:
    what = [counted(len(document["images"]), "image")]
    if stored:
        what.append(_contents(stored.gone))
    size, usd = size_of(document["bytes"]), document["estimated_usd_a_month"]
    text = f"{', '.join(what)}, {size}, about ${usd:.4f} a month"
    anything = document["images"] or (stored and any(stored.to_json()[name] for name in _COUNTS))
    return f"removed {text}" if done else f"would remove {text}{'; --yes does it' if anything else ''}"


_COUNTS = ("results", "objects", "rewritten", "documents")


def _contents(gone: Unneeded) -> str:
    return f"{counted(len(gone.results), 'result')} and {counted(gone.blobs, 'blob')}"


def _document(choice: Choice, stored: StoreReport | None, prices: Prices, done: bool) -> dict[str, Any]:
    places = sorted({each.place for each in choice.gone})
    freed = {place: choice.freed(place) for place in places}
    images, rest = sum(freed.values()), stored.gone.bytes if stored else 0
    monthly = prices.table["gigabyte-month"]
    return {
        "removed": done,
        "images": [_json(each) for each in choice.gone],
        "repositories": [
            {
                "repository": place,
                "images": sum(each.place == place for each in choice.gone),
                "bytes": freed[place],
            }
            for place in places
        ],
        "store": stored.to_json() if stored else None,
        "kept": {reason: len(images) for reason, images in choice.kept.items()},
        "bytes": images + rest,
        "estimated_usd_a_month": round((images * monthly["ecr"] + rest * monthly["s3"]) / 1e9, 6),
    }


def _json(image: Held) -> dict[str, Any]:
    return {
        "image": f"{image.place}@{image.digest}",
        "tags": list(image.tags),
        "labels": sorted({origin.label for origin in image.origins}),
        "bytes": sum((image.sizes or {}).values()),
    }


def _lines(gone: Sequence[Held]) -> Iterator[str]:
    """Yields a line for each image."""
    for each in gone:
        labels = " ".join(sorted({origin.label for origin in each.origins}))
        tags = " ".join(each.tags) or each.digest[:DIGEST_WIDTH]
        yield "  ".join((each.place, tags, labels, size_of(sum((each.sizes or {}).values()))))
