"""lambdabuild clean --remote"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from lambdabuild.aws.clients import Aws
from lambdabuild.aws.meter import Meter
from lambdabuild.commands import functions, options
from lambdabuild.commands.clean_report import StoreReport, tell
from lambdabuild.deploying import lineage
from lambdabuild.deploying.connecting import Connection, connect
from lambdabuild.errors import Location, UserError
from lambdabuild.oci.registry.ecr import region_of
from lambdabuild.oci.registry.reference import parse_reference
from lambdabuild.pushing.names import Destination
from lambdabuild.pushing.plan import Wishes, read_template, read_wishes
from lambdabuild.remote.lease_table import Table
from lambdabuild.remote.leases import Leases
from lambdabuild.remote.services import place_of
from lambdabuild.retention.choose import Choice, Needs, choose
from lambdabuild.retention.cleaning import Cleaner, check_quiet, images_in_use
from lambdabuild.retention.held import Held
from lambdabuild.retention.live import Live, read_live
from lambdabuild.retention.reading import read_images
from lambdabuild.retention.shelves import RIGHTS, EcrShelf, Shelf, SpecShelf
from lambdabuild.retention.sweeping import Sweeper, choose_unneeded
from lambdabuild.retention.unneeded import StoreNeeds
from lambdabuild.session import Session
from lambdabuild.store.s3.survey import survey
from lambdabuild.ui import Ui
from lambdabuild.workspace import FILE_NAME, Workspace


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

    def sweeper(self) -> Sweeper | None:
        """Returns what removes from the remote store, if there is one."""
        shared = self.session.shared
        if shared is None:
            return None
        bucket = shared.bucket.needing(RIGHTS)
        directory = self.session.cache_dir
        return Sweeper(bucket, lambda: survey(bucket, directory), lambda: check_quiet(self.leases()))

    def needs(self, live: Live, gone: Sequence[Held]) -> StoreNeeds:
        """Returns what the store has to keep. gone: images that do not count."""
        documents = functions.documents_of(self.session)
        recorded = lineage.keys_of_all(documents, {each.digest for each in gone})
        days = self.where.workspace.number("store.keep_days")
        return StoreNeeds(live.keys | recorded, live.blobs, days)


def clean_remote(
    ui: Ui, where: options.Place, revisions: Sequence[str], configs: Sequence[str], *, yes: bool
) -> None:
    """Lists the images that nobody needs, and what nobody needs of the store; removes both if told to."""
    wishes = _wishes(where.workspace)
    session = options.session(where, ui)
    connections = _connections(where, wishes)
    looking = _Looking(ui, where, session, wishes, revisions, configs, connections)
    if yes:
        check_quiet(looking.leases())
    live = looking.live()
    shelves = looking.shelves(live)
    choice = looking.look(live, shelves)
    sweeper = looking.sweeper()
    stored = choose_unneeded(sweeper.look(), looking.needs(live, choice.gone)) if sweeper else None
    gone = choice.gone
    if yes:
        later = cache(looking.live)
        gone = _removed(looking, later, shelves, choice) if gone else ()
        stored = sweeper.sweep(stored, looking.needs(later(), ())) if sweeper and stored else None
    report = StoreReport(str(sweeper.bucket), stored) if sweeper and stored else None
    tell(ui, where, Choice(tuple(gone), choice.kept), report, done=yes)


def _removed(
    looking: _Looking, live: Callable[[], Live], shelves: Mapping[str, Shelf], choice: Choice
) -> tuple[Held, ...]:
    """Removes images, and returns those. live: gives what is live at the second look."""
    documents = functions.documents_of(looking.session)
    return Cleaner(lambda: looking.look(live(), shelves), shelves, documents, looking.leases).remove(choice)


def _wishes(workspace: Workspace) -> Wishes:
    """Returns where images are pushed; raises UserError where there is neither that nor a store."""
    if place_of(workspace) and not workspace.list("registry.push"):
        return Wishes((), (), read_template(workspace))
    return read_wishes(workspace, (), ())


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
