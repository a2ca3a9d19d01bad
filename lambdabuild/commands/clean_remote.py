"""lambdabuild clean --remote"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdabuild.aws.clients import Aws
from lambdabuild.aws.meter import Meter
from lambdabuild.commands import functions, options
from lambdabuild.deploying.connecting import Connection, connect
from lambdabuild.errors import Location, UserError
from lambdabuild.oci.registry.ecr import region_of
from lambdabuild.oci.registry.reference import parse_reference
from lambdabuild.pushing.names import Destination
from lambdabuild.pushing.plan import Wishes, read_wishes
from lambdabuild.remote.accounting import Prices, read_prices
from lambdabuild.remote.lease_table import Table
from lambdabuild.remote.leases import Leases
from lambdabuild.retention.choose import Choice, Needs, choose
from lambdabuild.retention.cleaning import Cleaner, check_quiet, images_in_use
from lambdabuild.retention.held import Held
from lambdabuild.retention.live import Live, read_live
from lambdabuild.retention.reading import read_images
from lambdabuild.retention.shelves import EcrShelf, Shelf, SpecShelf
from lambdabuild.session import Session
from lambdabuild.ui import DIGEST_WIDTH, Ui, size_of
from lambdabuild.workspace import FILE_NAME


@dataclass(frozen=True, slots=True)
class _Looking:
    """What each look needs."""

    ui: Ui
    where: options.Place
    session: Session
    wishes: Wishes
    revisions: Sequence[str]
    configs: Sequence[str]
    connections: Mapping[str, Connection]

    def live(self) -> Live:
        return read_live(
            self.where.workspace,
            self.wishes,
            self.revisions,
            configs=self.configs,
            env=os.environ,
            say=lambda text, at: None,
        )

    def leases(self) -> Table | None:
        shared = self.session.shared
        return Leases(shared.bucket, lambda attempt: None).read() if shared else None

    def shelves(self, live: Live) -> dict[str, Shelf]:
        return {place: self._shelf(place, each) for place, each in live.places.items()}

    def _shelf(self, place: str, destination: Destination) -> Shelf:
        reference = parse_reference(place)
        region = region_of(destination.host)
        if region is None:
            return SpecShelf(self.session.client.repository(reference, push=True))
        account = self.connections[region].account
        aws = Aws(region, account, Meter())
        return EcrShelf(lambda: aws.client("ecr"), account, reference.repository)

    def look(self, live: Live, shelves: Mapping[str, Shelf]) -> Choice:
        """Returns what goes as things are now: what is held is read before what is in use."""
        table, workspace = self.leases(), self.where.workspace
        documents = functions.documents_of(self.session)
        images = [
            image
            for place, shelf in shelves.items()
            for image in read_images(place, shelf, lambda: self.session.client, documents)
        ]
        running = images_in_use([each.service for each in self.connections.values()], documents)
        needs = Needs(
            workspace.name,
            live.hashes,
            running,
            workspace.number("registry.keep_last"),
            workspace.number("registry.keep_days"),
            table.now if table else time.time(),
        )
        return choose(images, needs)


def clean_remote(
    ui: Ui, where: options.Place, revisions: Sequence[str], configs: Sequence[str], *, yes: bool
) -> None:
    """Lists the images that nobody needs; removes them if told to."""
    wishes = read_wishes(where.workspace, (), ())
    session = options.session(where, ui)
    connections = _connections(where, wishes)
    looking = _Looking(ui, where, session, wishes, revisions, configs, connections)
    if yes:
        check_quiet(looking.leases())
    live = looking.live()
    shelves = looking.shelves(live)
    choice = looking.look(live, shelves)
    gone = choice.gone
    if yes and gone:
        cleaner = Cleaner(
            lambda: looking.look(looking.live(), shelves),
            shelves,
            functions.documents_of(session),
            looking.leases,
        )
        gone = cleaner.remove(choice)
    _tell(ui, where, choice, gone, done=yes)


def _connections(where: options.Place, wishes: Wishes) -> dict[str, Connection]:
    """Returns the functions that may run images of the destinations, by region; "" for that of [deploy].

    Raises UserError for an ECR of another account: who runs its images cannot be asked.
    """
    regions = {region_of(each.host) or "" for each in wishes.destinations}
    found = {region: connect(where.workspace, region) for region in sorted(regions)}
    for each in wishes.destinations:
        region, owner = region_of(each.host) or "", each.host.partition(".")[0]
        if region and owner != found[region].account:
            raise UserError(
                f"{each} is of the account {owner}, and these credentials are of {found[region].account}",
                at=Location(FILE_NAME),
                hint="sign in to the account of the registry (AWS_PROFILE): its functions have to be asked",
            )
    return found


def _tell(ui: Ui, where: options.Place, choice: Choice, gone: Sequence[Held], *, done: bool) -> None:
    prices = where.workspace.text("codebuild.prices")
    found = Choice(tuple(gone), choice.kept)
    document = _document(found, read_prices(where.workspace.root / prices if prices else None), done)
    if ui.as_json:
        ui.document(document)
    else:
        for line in _lines(gone):
            ui.result(line)
    for each in document["repositories"]:
        ui.note(f"{each['repository']}: {each['images']} images, {size_of(each['bytes'])}")
    for reason, count in document["kept"].items():
        ui.note(f"stays: {count}, {reason}")
    count, size, usd = len(gone), size_of(document["bytes"]), document["estimated_usd_a_month"]
    what = f"{count} image{'s' * (count != 1)}, {size}, about ${usd:.4f} a month"
    ui.note(f"removed {what}" if done else f"would remove {what}{'; --yes does it' if count else ''}")


def _document(choice: Choice, prices: Prices, done: bool) -> dict[str, Any]:
    places = sorted({each.place for each in choice.gone})
    freed = {place: choice.freed(place) for place in places}
    total = sum(freed.values())
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
        "kept": {reason: len(images) for reason, images in choice.kept.items()},
        "bytes": total,
        "estimated_usd_a_month": round(total / 1e9 * prices.table["gigabyte-month"]["ecr"], 6),
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
