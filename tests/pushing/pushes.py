"""A push as the command does it, with what a test wants to know of it."""

from __future__ import annotations

from collections.abc import Sequence

from lambdabuild.commands.deliveries import origins_of
from lambdabuild.errors import UserError
from lambdabuild.oci.registry.client import Client
from lambdabuild.oci.registry.repository import Repository
from lambdabuild.oci.registry.settings import Settings
from lambdabuild.pushing.plan import plan_push, read_wishes
from lambdabuild.pushing.pusher import Pusher
from lambdabuild.pushing.result import PushResult
from tests.oci.registry.asking import Pauses, new_name, repository, settings_of
from tests.oci.registry.proxy import Proxy
from tests.project import Project


class Place:
    """A prefix of a registry behind a proxy, new to everybody."""

    def __init__(self, gate: Proxy, host: str = "") -> None:
        self.gate = gate
        self.prefix = new_name("push")
        self.to = f"{host or gate.host}/{self.prefix}"

    def repository(self, name: str) -> Repository:
        """Returns a repository below the prefix, past the proxy."""
        return repository(self.gate.upstream, f"{self.prefix}/{name}", push=True)

    def tags(self, name: str) -> tuple[str, ...]:
        """Returns the tags of a repository below the prefix; () if it is not there."""
        try:
            return self.repository(name).tags()
        except UserError as error:
            if "it has no repository" not in error.message:
                raise
            return ()

    def asked(self) -> list[str]:
        """Returns the methods of all requests so far, and forgets them."""
        methods = [request.method for request in self.gate.requests]
        self.gate.requests.clear()
        return methods

    def sent(self) -> int:
        """Returns the bytes of all requests' bodies so far."""
        return sum(request.length for request in self.gate.requests)


def push(
    project: Project,
    places: Place | Sequence[str],
    *patterns: str,
    tags: Sequence[str] = (),
    settings: Settings | None = None,
    jobs: int = 4,
    keep_going: bool = False,
    platforms: tuple[str, ...] = (),
) -> dict[str, PushResult]:
    """Builds and pushes; returns what became of each image in each registry, by label."""
    session = project.session()
    to = [places.to] if isinstance(places, Place) else places
    wishes = read_wishes(session.workspace, to, tags)
    evaluation = session.evaluate(project.question(*patterns, platforms=platforms))
    plan = plan_push(evaluation, wishes, origins_of(session))
    report = session.build(plan.with_bases(evaluation), jobs=2)
    assert report.errors == ()
    client = Client(settings or settings_of(), Pauses())
    layers = session.external_layers.read
    pusher = Pusher(plan, report, client=client, store=session.store, layers=layers, keep_going=keep_going)
    results = pusher.run(jobs)
    several = len(to) > 1 or len({result.id.platform for result in results}) > 1
    return {_name(result) if several else result.id.label.short: result for result in results}


def _name(result: PushResult) -> str:
    return f"{result.id.label.short} {result.id.platform} {result.reference.host}"


def statuses(results: dict[str, PushResult]) -> dict[str, str]:
    return {name: result.status for name, result in results.items()}
