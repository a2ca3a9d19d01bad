"""A Dockerfile that was read -> the target that makes its image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lambdabuild.errors import Location, UserError
from lambdabuild.migrating.context import taken
from lambdabuild.migrating.existing import extras_text
from lambdabuild.migrating.first_party import FirstParty
from lambdabuild.migrating.ignoring import Ignored, read_ignored
from lambdabuild.migrating.owners import Owners
from lambdabuild.migrating.placing import Placing, Targets
from lambdabuild.migrating.reading import Reading
from lambdabuild.migrating.recipe import TASK_ROOT, Recipe
from lambdabuild.migrating.rendering import Draft, Value
from lambdabuild.sources import View

Note = tuple[Location, str]


@dataclass(frozen=True, slots=True)
class ImageDraft:
    """An image's target, and what its owner should know of it.

    assembled: whether it is made without its Dockerfile; if not, `reason` says why.
    """

    draft: Draft
    dockerfile: str
    assembled: bool
    context: str
    reason: UserError | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What images are drafted among.

    images:   reference -> name in [images].
    """

    view: View
    owners: Owners
    targets: Targets
    packages: FirstParty
    images: Mapping[str, str]


def target_name(path: str, home: str) -> str:
    """Returns what the target of the Dockerfile at `path` is called in the package `home`.

    image, for infra/x/Dockerfile.worker image_worker; in a package above, image_x_worker.
    """
    directory, _, name = path.rpartition("/")
    inner = directory[len(home) :].strip("/")
    suffix = name.removeprefix("Dockerfile").removesuffix("Dockerfile").strip(".")
    parts = [part for part in (inner.replace("/", "_"), suffix) if part]
    return re.sub(r"[^A-Za-z0-9_-]+", "_", "_".join(["image", *parts]))


def image_draft(around: Surroundings, reading: Reading, home: str, name: str, base: str) -> ImageDraft:
    """Returns the target of a Dockerfile in the package `home`; raises UserError if there can be none.

    base: the label of the base_image that has its packages, "" if none is to have them.
    """
    if reading.problem:
        raise reading.problem
    if reading.recipe:
        attributes, notes = _assembled(around, reading, reading.recipe, home, name, base)
    else:
        attributes, notes = _built(around, reading, home, name), ()
    if reading.platform:
        attributes["platforms"] = (reading.platform,)
    draft = Draft(home, name, reading.rule, attributes)
    path = reading.dockerfile.path
    return ImageDraft(
        draft, path, reading.recipe is not None, reading.context or "", reading.reason, tuple(notes)
    )


def _assembled(
    around: Surroundings, reading: Reading, recipe: Recipe, home: str, name: str, base: str
) -> tuple[dict[str, Value], Sequence[Note]]:
    ignored = read_ignored(around.view, reading.context or "")
    placing = Placing(around.owners, around.targets, home, name, ignored)
    labels = package_labels(recipe, around.packages)
    attributes: dict[str, Value] = {
        "base": base or f"@{around.images[recipe.base]}",
        "srcs": placing.of_places(recipe.placed),
        "packages": () if base else labels,
        "requirements": tuple(sorted(recipe.requirements)),
        "handler": recipe.handler,
        "cmd": () if recipe.handler else recipe.cmd,
        "entrypoint": recipe.entrypoint,
        "env": recipe.env,
        "labels": recipe.labels,
        "working_dir": "" if recipe.working_dir == TASK_ROOT else recipe.working_dir,
        "user": recipe.user,
    }
    return attributes, [(Location(reading.dockerfile.path, line), text) for line, text in recipe.notes]


def package_labels(recipe: Recipe, packages: FirstParty) -> tuple[str, ...]:
    """Returns the packages of an image as its attribute names them, without those that others bring."""
    needless = packages.needless(recipe.packages)
    named = {each: extras for each, extras in recipe.packages.items() if extras or each not in needless}
    return tuple(sorted(packages.labels[each] + extras_text(extras) for each, extras in named.items()))


def _built(around: Surroundings, reading: Reading, home: str, name: str) -> dict[str, Value]:
    assert reading.plan is not None
    found = [
        what
        for copy in reading.plan.copies
        for source in copy.sources
        for what in taken(around.view, reading.context or "", source)
    ]
    placing = Placing(around.owners, around.targets, home, name, Ignored())
    srcs, packages = placing.of_context(list(dict.fromkeys(found)), around.packages)
    path = reading.dockerfile.path
    return {
        "dockerfile": path[len(home) + 1 :] if home else path,
        "srcs": srcs,
        "packages": tuple(packages),
        "secrets": reading.plan.secrets,
    }


def image_names(references: Sequence[str], declared: Mapping[str, str]) -> dict[str, str]:
    """Returns reference -> name in [images]: what its repository is called, with the tag if two are.

    declared: name -> reference of those that WORKSPACE.toml has.
    """
    names = {reference: name for name, reference in declared.items()}
    new = [reference for reference in sorted(set(references)) if reference not in names]
    taken_names = set(declared)
    for reference in new:
        repository, tag = _split(reference)
        alone = sum(_split(other)[0] == repository for other in new) == 1 and repository not in taken_names
        name = repository if alone or not tag else f"{repository}-{tag}"
        number, found = 2, name
        while found in taken_names:
            number, found = number + 1, f"{name}-{number}"
        taken_names.add(found)
        names[reference] = found
    return names


def _split(reference: str) -> tuple[str, str]:
    """Returns the last part of a reference's repository, and its tag, both fit for a name."""
    plain = reference.partition("@")[0].rpartition("/")[2]
    repository, _, tag = plain.partition(":")
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", repository).strip("._-") or "image"
    clean = f"{clean}-image" if clean in ("all", "auto") else clean
    return clean[:32], re.sub(r"[^A-Za-z0-9._-]+", "-", tag)[:24]
