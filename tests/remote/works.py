"""Works as Hypothesis makes them: acyclic, tied here and there, in every environment."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from lambdabuild.digest import Key
from lambdabuild.remote.environments import DOCKER_AMD64, DOCKER_ARM64, PLAIN, Environment
from lambdabuild.remote.groups import Work


def key(number: int) -> Key:
    return Key(f"{number:064x}")


@st.composite
def works(draw: st.DrawFn, *, plain: bool = False) -> Mapping[Key, Work]:
    """Works whose names have nothing to do with their order."""
    count = draw(st.integers(0, 12))
    names = [key(n) for n in draw(st.permutations(range(count)))]
    environments: list[Environment] = [PLAIN] if plain else [PLAIN, PLAIN, DOCKER_AMD64, DOCKER_ARM64]
    made: dict[Key, Work] = {}
    for place, name in enumerate(names):
        below = draw(st.sets(st.sampled_from(names[:place]), max_size=3)) if place else set()
        together = draw(st.sets(st.sampled_from(sorted(below)), max_size=2)) if below else set()
        outside = {key(1000)} if draw(st.booleans()) else set()
        made[name] = Work(
            name,
            float(draw(st.integers(0, 400))),
            frozenset(below | outside),
            frozenset(together),
            draw(st.sampled_from(environments)),
        )
    return made
