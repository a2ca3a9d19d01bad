"""What has to run, decided from what is known: Plan with a real cache and store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from lambdabuild.action import ActionOutput
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.label import parse_label
from lambdabuild.plan import Plan
from lambdabuild.reporting import wanted
from lambdabuild.session import Session
from lambdabuild.store import Stores
from lambdabuild.store.local import LocalActionCache, LocalStore
from tests.project import Project

FILES = {
    "BUILD": (
        'base_image(name = "base", base = "scratch", srcs = ["base.txt"])\n'
        'lambda_image(name = "image", base = ":base", srcs = ["handler.py"])\n'
        'lambda_image(name = "twin", base = ":base", srcs = ["handler.py"])\n'
    ),
    "base.txt": "base\n",
    "handler.py": "x = 1\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)


def planned(project: Project, name: str) -> tuple[Plan, Session]:
    session = project.session()
    evaluation = session.evaluate(project.question(f"//:{name}"))
    keys = session.keys(evaluation)
    stores = Stores(session.cache, session.store)
    plan = Plan(evaluation.graph.action, keys.deep_key, lambda action: stores)
    plan.want(wanted(evaluation.graph.targets[ConfiguredLabel(parse_label(f"//:{name}"), "linux/amd64")]))
    return plan, session


def dirty(project: Project, name: str = "image") -> list[str]:
    plan, _ = planned(project, name)
    return sorted(f"{step.action.tool} {step.action.id.label}" for step in plan.dirty.values())


EVERYTHING = ["image //:base", "image //:image", "layer //:base", "layer //:image"]


def test_everything_is_dirty_at_first(project: Project) -> None:
    assert dirty(project) == EVERYTHING


def test_nothing_is_dirty_after_a_build(project: Project) -> None:
    project.build()
    assert dirty(project) == []


def test_equal_work_for_two_targets_is_one_step(project: Project) -> None:
    project.build("//:image")
    assert dirty(project, "twin") == []


def test_an_edited_source_makes_its_layer_and_the_image_dirty(project: Project) -> None:
    project.build()
    project.write({"handler.py": "x = 2\n"})
    assert dirty(project) == ["image //:image", "layer //:image"]


def test_a_hit_needs_nothing_of_what_it_was_made_from(project: Project) -> None:
    """The base's manifest is gone, but nobody asks for it."""
    project.build()
    plan, session = planned(project, "base")
    step = next(step for step in plan.steps.values() if step.action.tool == "image")
    assert step.result is not None
    session.store.path(step.result.outputs["manifest.json"].digest).unlink()
    assert dirty(project, "image") == []
    assert dirty(project, "base") == ["image //:base"]


def test_a_miss_asks_for_the_inputs_that_are_gone(project: Project) -> None:
    project.build()
    plan, session = planned(project, "base")
    step = next(step for step in plan.steps.values() if step.action.tool == "image")
    assert step.result is not None
    session.store.path(step.result.outputs["manifest.json"].digest).unlink()
    project.write({"handler.py": "x = 2\n"})
    assert dirty(project) == ["image //:base", "image //:image", "layer //:image"]


def test_a_wanted_layer_that_is_gone_is_made_again(project: Project) -> None:
    project.build()
    plan, session = planned(project, "image")
    layers = [step for step in plan.steps.values() if step.action.tool == "layer"]
    result = layers[0].result
    assert result is not None
    session.store.path(result.outputs["layer.tar.gz"].digest).unlink()
    (again,) = planned(project, "image")[0].dirty.values()
    assert again.action.tool == "layer"
    assert again.reason == "an output of its known result is gone from the store"


def test_lookups_go_level_by_level_in_one_batch_each(project: Project) -> None:
    session = project.session()
    evaluation = session.evaluate(project.question("//:image", "//:twin"))
    keys = session.keys(evaluation)
    cache = session.cache
    asked: list[int] = []

    class Counting:
        def lookup(self, keys: Iterable[Key]) -> Mapping[Key, bytes]:
            batch = list(keys)
            asked.append(len(batch))
            return cache.lookup(batch)

        record = cache.record

    stores = Stores(Counting(), session.store)
    plan = Plan(evaluation.graph.action, keys.deep_key, lambda action: stores)
    plan.want([output for root in evaluation.roots for output in wanted(evaluation.graph.targets[root])])
    # The image, its layer and the base's layer are asked for at once; the base's own image is one level down.
    assert asked == [3, 1]


def test_wanted_outputs_are_the_parts_of_the_layout(project: Project) -> None:
    graph = project.graph("//:image")
    target = graph.targets[ConfiguredLabel(parse_label("//:image"), "linux/amd64")]
    names = [output.name for output in wanted(target)]
    assert sorted(names) == sorted(["manifest.json", "config.json"] + ["layer.tar.gz", "layer.json"] * 2)
    assert all(isinstance(output, ActionOutput) for output in wanted(target))


def test_each_action_is_judged_by_the_stores_it_belongs_to(project: Project, tmp_path: Path) -> None:
    project.build()
    session = project.session()
    evaluation = session.evaluate(project.question("//:image"))
    keys = session.keys(evaluation)
    here = Stores(session.cache, session.store)
    elsewhere = Stores(LocalActionCache(tmp_path / "other"), LocalStore(tmp_path / "other"))
    plan = Plan(
        evaluation.graph.action, keys.deep_key, lambda action: elsewhere if action.tool == "layer" else here
    )
    plan.want(output for root in evaluation.roots for output in wanted(evaluation.graph.targets[root]))
    assert sorted(f"{step.action.tool} {step.action.id.label}" for step in plan.dirty.values()) == [
        "layer //:base",
        "layer //:image",
    ]
