"""A ConfiguredGraph -> which images are pushed, and which they stand on.

All that can be wrong with a push is found here, before anything is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from lambdabuild.action import ActionOutput
from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel, ConfiguredTarget
from lambdabuild.errors import Location, UserError
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.oci.registry.settings import is_loopback
from lambdabuild.pushing.names import (
    Destination,
    check_tags,
    check_template,
    checked_repository,
    parse_destinations,
    repository_of,
    with_platform,
)
from lambdabuild.tools.dockerfile import DockerfileTool
from lambdabuild.tools.image import MANIFEST
from lambdabuild.workspace import FILE_NAME, Workspace

if TYPE_CHECKING:
    from lambdabuild.evaluation import Evaluation  # brings Starlark, which the worker does without

LAMBDA_IMAGE: Final = "lambda_image"


@dataclass(frozen=True, slots=True)
class Item:
    """An image of the plan.

    repository: below a destination's prefix.
    tags:       beside that of the hash.
    base:       the image of the graph that it stands on.
    asked:      whether it was asked for; a base that was not goes only where it is needed.
    for_lambda: whether it has to be one that Lambda takes.
    handlers:   see ConfiguredTarget.
    shareable:  whether its bytes are the same on any machine, and may leave this one.
    origins:    repositories that hold all its layers already: those of an external image.
    """

    id: ConfiguredLabel
    repository: str
    tags: tuple[str, ...] = ()
    base: ConfiguredLabel | None = None
    asked: bool = True
    for_lambda: bool = False
    handlers: tuple[str, ...] = ()
    shareable: bool = True
    origins: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What goes where. `items` has those that were asked first, in order, then bases."""

    items: Mapping[ConfiguredLabel, Item]
    destinations: tuple[Destination, ...]

    def with_bases(self, evaluation: Evaluation) -> Evaluation:
        """Returns the question's answer with all bases as roots: their documents are needed too."""
        return replace(evaluation, roots=tuple(dict.fromkeys((*evaluation.roots, *self.items))))

    def without(self, unwanted: Callable[[Item], bool]) -> PushPlan:
        """Returns the plan in which images that are `unwanted` count as not asked for."""
        items = {
            id_: replace(item, asked=item.asked and not unwanted(item)) for id_, item in self.items.items()
        }
        return replace(self, items=items)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Where to push, checked: destinations, further tags, and how repositories are named."""

    destinations: tuple[Destination, ...]
    tags: tuple[str, ...]
    template: str


def read_wishes(
    workspace: Workspace, to: Sequence[str], tags: Sequence[str], *, implied: bool = False
) -> Wishes:
    """Returns what --to, --tag and [registry] say; raises UserError.

    to, tags: take the place of [registry] push and tags.
    implied:  nobody asked to push, so that no tag moves.
    """
    destinations = parse_destinations(
        to or workspace.list("registry.push"), None if to else Location(FILE_NAME)
    )
    if not destinations:
        raise UserError(
            "there is no registry to push to",
            hint=f'say --to host/prefix, or add push = ["host/prefix"] to [registry] in {FILE_NAME}',
        )
    further = check_tags(tags or (() if implied else workspace.list("registry.tags")))
    return Wishes(destinations, further, read_template(workspace))


def read_template(workspace: Workspace) -> str:
    """Returns [registry] repository; raises UserError."""
    return check_template(workspace.text("registry.repository"), Location(FILE_NAME))


def plan_push(
    evaluation: Evaluation,
    wishes: Wishes,
    origins: Mapping[str, tuple[Reference, ...]],
) -> PushPlan:
    """Returns the plan for the images among the roots; raises UserError for what cannot be pushed.

    origins: external image's name -> where it is read.
    """
    graph = evaluation.graph
    items = asked_items(evaluation, wishes.tags, wishes.template)
    todo = [item.base for item in items.values() if item.base]
    while todo:
        id_ = todo.pop()
        if id_ not in items:
            items[id_] = _item(graph, id_, wishes.template, asked=False)
            todo.extend(filter(None, [items[id_].base]))
    items = {
        id_: replace(item, origins=origins.get(id_.label.name, ())) if id_.label.external else item
        for id_, item in items.items()
    }
    for item in items.values():
        for destination in wishes.destinations:
            _check_allowed(item, destination, graph)
            destination.reference(item.repository, "latest")
    _check_tags_differ(items.values())
    return PushPlan(items, wishes.destinations)


def _check_tags_differ(items: Iterable[Item]) -> None:
    """Raises UserError for two images of one repository that want the same tag, beside those of hashes."""
    first: dict[tuple[str, str], Item] = {}
    for item in items:
        for tag in item.tags:
            other = first.setdefault((item.repository, tag), item)
            if other is not item:
                raise UserError(
                    f"{other.id} and {item.id} would both be {item.repository}:{tag}",
                    hint="name one of them, or give them repositories of their own",
                )


def asked_items(evaluation: Evaluation, tags: Sequence[str], template: str) -> dict[ConfiguredLabel, Item]:
    """Returns the images among the roots; raises UserError if there is none.

    tags: those of a label that comes for several platforms get the platform's name.
    """
    images = [root for root in evaluation.roots if evaluation.graph.targets[root].image]
    if not images and not evaluation.failures:
        raise UserError("none of the targets is an image", hint="name a lambda_image or base_image")
    labels = [id_.label for id_ in images]
    found = {}
    for id_ in images:
        several = labels.count(id_.label) > 1
        own = tuple(with_platform(tag, id_.platform) if several else tag for tag in tags)
        found[id_] = replace(_item(evaluation.graph, id_, template), tags=own)
    return found


def _item(graph: ConfiguredGraph, id_: ConfiguredLabel, template: str, *, asked: bool = True) -> Item:
    target = graph.targets[id_]
    assert target.image is not None
    return Item(
        id_,
        repository_for(target, template),
        base=_base(graph, target),
        asked=asked,
        for_lambda=target.kind == LAMBDA_IMAGE,
        handlers=target.handlers,
        shareable=graph.action(target.image.manifest.action).shareable,
    )


def repository_for(target: ConfiguredTarget, template: str) -> str:
    """Returns where an image goes below a prefix; raises UserError for a name that cannot be one."""
    given = target.repository
    return checked_repository(given, target.at) if given else repository_of(target.label, template)


def _base(graph: ConfiguredGraph, target: ConfiguredTarget) -> ConfiguredLabel | None:
    """Returns the image that `target`'s image stands on, if it is one of the graph."""
    assert target.image is not None
    manifest = target.image.manifest
    while (manifest.action.label, manifest.action.platform) == target.id:
        action = graph.action(manifest.action)
        # What a stage of a Dockerfile stands on is one of several images.
        place = action.params["root"] if action.tool == DockerfileTool.name else "base"
        below = action.inputs.get(f"{place}/{MANIFEST}")
        if not isinstance(below, ActionOutput):
            return None
        manifest = below
    id_ = ConfiguredLabel(manifest.action.label, manifest.action.platform)
    return id_ if graph.targets[id_].image else None


def _check_allowed(item: Item, destination: Destination, graph: ConfiguredGraph) -> None:
    host = urlsplit(f"//{destination.host}").hostname or ""
    if not item.shareable and not is_loopback(host):
        raise UserError(
            f"{item.id.label} holds what was made for this machine alone, and must not leave it: "
            f"it cannot be pushed to {destination}",
            at=graph.targets[item.id].at,
            hint='build it on a base from a registry, base = "@python", or push it to localhost',
        )
