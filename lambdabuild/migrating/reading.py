"""A Dockerfile, read for both ways in which its image can be declared, and why not."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lambdabuild.dockerfile import BuildPlan, Dockerfile, Instruction, plan
from lambdabuild.errors import Location, UserError
from lambdabuild.migrating.context import copies, guess, is_remote, lacking
from lambdabuild.migrating.installing import Packages
from lambdabuild.migrating.recipe import Recipe, read_recipe, starts_something
from lambdabuild.migrating.runs import InTheWayError
from lambdabuild.sources import View
from lambdabuild.workspace import PLATFORMS


@dataclass(frozen=True, slots=True)
class Reading:
    """What can become of a Dockerfile.

    context:  the directory that its COPY lines are relative to; None if there is none.
    recipe:   what its image holds, if that can be told without running it.
    plan:     what building it takes, if it cannot.
    reason:   why there is no recipe.
    problem:  why it cannot be declared as it is.
    platform: that its last FROM names, or "".
    """

    dockerfile: Dockerfile
    context: str | None
    recipe: Recipe | None = None
    plan: BuildPlan | None = None
    reason: UserError | None = None
    problem: UserError | None = None
    platform: str = ""

    @property
    def rule(self) -> str:
        return "lambda_image" if starts_something(self.dockerfile) else "base_image"

    @property
    def references(self) -> tuple[str, ...]:
        """The images of registries that it stands on or copies from."""
        if self.recipe:
            return (self.recipe.base,)
        return tuple(image.reference for image in self.plan.images) if self.plan else ()


def read_dockerfile(
    view: View, dockerfile: Dockerfile, packages: Packages, platform: str, *, keep: bool = False
) -> Reading:
    """Returns what can become of a Dockerfile whose target is for `platform`.

    keep: build it in any case, whether its image could be made without it or not.
    """
    named = _platform(dockerfile)
    context = guess(view, dockerfile)
    if context is None:
        return Reading(dockerfile, None, problem=_nowhere(view, dockerfile))
    reason = None
    if not keep:
        try:
            recipe = read_recipe(view, dockerfile, context, packages)
            return Reading(dockerfile, context, recipe, platform=named)
        except InTheWayError as error:
            reason = error
    try:
        made = plan(dockerfile, build_args={}, target="", base=False, platform=named or platform)
        _check_context(dockerfile, context, made)
    except UserError as error:
        return Reading(dockerfile, context, reason=reason, problem=error, platform=named)
    return Reading(dockerfile, context, plan=made, reason=reason, platform=named)


def _platform(dockerfile: Dockerfile) -> str:
    last = [each for each in dockerfile.instructions if each.name == "FROM"][-1]
    named = last.flags.get("platform", [""])[0]
    return named if named in PLATFORMS else ""


def _nowhere(view: View, dockerfile: Dockerfile) -> UserError:
    line, source = lacking(view, dockerfile) or (0, "")
    return UserError(
        f"COPY takes {source}, and no one directory has all that is copied",
        at=Location(dockerfile.path, line),
        hint="if something makes that file, declare it as a source first; else correct the path",
    )


def _check_context(dockerfile: Dockerfile, context: str, made: BuildPlan) -> None:
    """Raises UserError for a Dockerfile that would find other files in a context of declared sources."""
    for copy in made.copies:
        if "" in copy.sources:
            what = f"the whole of {context}" if context else "the whole workspace"
            raise UserError(
                f"COPY . takes {what}, so every file in it would be an input",
                at=Location(dockerfile.path, copy.line),
                hint="name the directories and files that the image needs",
            )
    if context:
        changed = [each for each in copies(dockerfile) if not all(map(is_remote, each.words[:-1]))]
        lines = tuple(f"{each.start}: {_from_root(each, context)}" for each in changed)
        raise UserError(
            f"COPY lines are relative to {context}, not to the workspace's root",
            at=Location(dockerfile.path, changed[0].start),
            hint="change them to these; docker build takes them so from the workspace's root",
            details=lines,
        )


def _from_root(each: Instruction, context: str) -> str:
    """Returns a COPY line with sources relative to the workspace's root."""
    flags = [f"--{name}={value}" for name, values in each.flags.items() for value in values]
    sources = [word if is_remote(word) else _moved(word, context) for word in each.words[:-1]]
    words = [*sources, each.words[-1]]
    rest = [json.dumps(words)] if each.json else words
    return " ".join([each.name, *flags, *rest])


def _moved(word: str, context: str) -> str:
    inner = word.removeprefix("./").lstrip("/")
    return f"{context}/" if inner in ("", ".") else f"{context}/{inner}"
