"""Which steps can be started: those that nobody works on, and that wait for nobody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.action import Action, ActionId, ActionOutput
from lambdabuild.digest import Key
from lambdabuild.label import Label
from lambdabuild.plan import Step
from lambdabuild.remote.proposals import free_steps, propose

KEYS = [Key(f"{number:064x}") for number in range(8)]


def label(number: int) -> Label:
    return Label("p", f"t{number}")


def step(number: int, below: set[int]) -> Step:
    action = Action(ActionId(label(number), "any", 0), "layer", {}, {}, ("out",), "any")
    return Step(KEYS[number], action, reason="it is new", below={KEYS[each] for each in below})


@st.composite
def graphs(draw: st.DrawFn) -> dict[int, set[int]]:
    """Returns dependencies by number, each on smaller ones."""
    count = draw(st.integers(1, len(KEYS)))
    return {n: draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else set() for n in range(count)}


def closure(graph: dict[int, set[int]], number: int) -> set[int]:
    found: set[int] = set()
    todo = [number]
    while todo:
        for below in graph[todo.pop()] - found:
            found.add(below)
            todo.append(below)
    return found


@given(graphs(), st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)))
def test_a_step_is_free_unless_somebody_does_it_or_it_stands_on_what_is_not_there(
    graph: dict[int, set[int]], busy: set[int], failed: set[int], done: set[int]
) -> None:
    todo = {KEYS[n]: step(n, below) for n, below in graph.items() if n not in failed | done - busy}
    free = free_steps(todo, {KEYS[n] for n in busy}, {KEYS[n] for n in failed})

    def open_below(number: int) -> set[int]:
        """Returns what a step stands on, as far as that is not done."""
        found: set[int] = set()
        stack = [number]
        while stack:
            for below in graph[stack.pop()] - found:
                if KEYS[below] in todo or below in busy | failed:
                    found.add(below)
                if KEYS[below] in todo and below not in busy:
                    stack.append(below)
        return found

    expected = {
        KEYS[n] for n in graph if KEYS[n] in todo and n not in busy and not open_below(n) & (busy | failed)
    }
    assert free.keys() == expected


def test_a_base_and_its_images_travel_together() -> None:
    base = step(0, set())
    inputs = {"base/manifest.json": ActionOutput(base.action.id, "manifest.json")}
    steps = {base.key: base}
    for number in range(1, 8):
        id_ = ActionId(label(number), "any", 0)
        image = Action(id_, "image", {}, inputs, ("manifest.json",), "linux/amd64")
        steps[KEYS[number]] = Step(KEYS[number], image, reason="it is new", below={base.key})
    batches = propose(
        steps, key_of=lambda id_: KEYS[int(id_.label.name[1:])], seconds=lambda action: 100.0, concurrency=4
    )
    assert [set(batch.keys) for batch in batches] == [set(steps)]
