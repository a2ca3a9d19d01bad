"""A ConfiguredGraph -> the images of a map, from hashes alone: no digest, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lambdabuild.artefacts.artefact import Artefact
from lambdabuild.artefacts.names import names_of
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget
from lambdabuild.deploying.names import wanted_functions
from lambdabuild.digest import Key
from lambdabuild.errors import UserError
from lambdabuild.evaluation import Evaluation
from lambdabuild.keys import tag_of
from lambdabuild.label import Label, TargetPattern
from lambdabuild.oci.digest import OciDigest
from lambdabuild.pushing.names import Destination
from lambdabuild.pushing.plan import LAMBDA_IMAGE, PushPlan, Wishes


@dataclass(frozen=True, slots=True)
class MapPlan:
    """The images that a map is asked for: their names in it, and the functions that each serves."""

    names: Mapping[ConfiguredLabel, str]
    functions: Mapping[ConfiguredLabel, Mapping[str, str]]

    def artefacts(
        self,
        push: PushPlan,
        hashes: Mapping[ConfiguredLabel, Key],
        destination: Destination,
        digests: Mapping[tuple[ConfiguredLabel, str], OciDigest],
    ) -> tuple[Artefact, ...]:
        """Returns what is known of the images.

        digests: of what was pushed, by image, host and repository.
        """

        def one(id_: ConfiguredLabel, name: str) -> Artefact:
            reference = destination.reference(push.items[id_].repository, tag_of(hashes[id_]))
            digest = digests.get((id_, reference.name))
            return Artefact(name, id_, hashes[id_], reference, digest, self.functions[id_])

        return tuple(one(id_, name) for id_, name in self.names.items())


def choose_images(evaluation: Evaluation, patterns: Sequence[TargetPattern]) -> Evaluation:
    """Returns the answer with the images that belong into a map; raises UserError if there is none.

    Those are the targets of lambda_image, and what else is an image and named by its own label:
    of `//...`, bases would only be in the way of functions.
    """
    named = {pattern.label for pattern in patterns if not pattern.negative and not pattern.wildcard}
    targets = (evaluation.graph.targets[root] for root in evaluation.roots)
    roots = tuple(target.id for target in targets if _belongs(target, named))
    if not roots:
        raise UserError(
            "none of the targets is a lambda_image",
            hint="name one, or another image by its own label",
        )
    return replace(evaluation, roots=roots)


def _belongs(target: ConfiguredTarget, named: set[Label]) -> bool:
    return target.image is not None and (target.kind == LAMBDA_IMAGE or target.label in named)


def plan_map(evaluation: Evaluation, variables: Mapping[str, str]) -> MapPlan:
    """Returns the plan for the images among the roots.

    Raises UserError for two of one name, and for functions that `deploy` would not take.

    variables: values of those in names of functions.
    """
    functions: dict[ConfiguredLabel, dict[str, str]] = {root: {} for root in evaluation.roots}
    for wanted in wanted_functions(evaluation.graph, evaluation.roots, variables):
        for id_ in wanted.images.values():
            functions[id_][wanted.name] = wanted.handler
    return MapPlan(names_of(evaluation.roots), functions)


def only_destination(wishes: Wishes) -> Destination:
    """Returns the one registry that a map is of; raises UserError if there are several."""
    first, *others = wishes.destinations
    if others:
        raise UserError(
            f"a map is of one registry, and here are {len(wishes.destinations)}: "
            + ", ".join(map(str, wishes.destinations)),
            hint=f"say which: --to {first}",
        )
    return first
