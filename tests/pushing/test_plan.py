"""Which image of the graph an image stands on, where a Dockerfile says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.pushing.plan import asked_items
from tests.project import Project

IMAGES = """
base_image(name = "one", base = "scratch", srcs = ["a"])
base_image(name = "two", base = "scratch", srcs = ["b"])
base_image(name = "plain", base = ":one", srcs = ["a"], dockerfile = "Dockerfile")
base_image(name = "dressed", base = ":one", srcs = ["a"], dockerfile = "Dockerfile", env = {"A": "1"})
base_image(name = "over", base = ":dressed", srcs = ["b"])
base_image(name = "alone", srcs = ["a"], dockerfile = "Alone")
"""
FILES = {
    "BUILD": IMAGES,
    "a": "",
    "b": "",
    "Dockerfile": "ARG BASE_IMAGE_URI\nFROM ${BASE_IMAGE_URI}\nCOPY a /a\n",
    "Alone": "FROM scratch\nCOPY a /a\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache", FILES)


@pytest.mark.parametrize(
    ("name", "below"),
    [("plain", "one"), ("dressed", "one"), ("over", "dressed"), ("alone", None), ("one", None)],
)
def test_the_base_of_an_image_is_the_one_that_it_stands_on(
    project: Project, name: str, below: str | None
) -> None:
    session = project.session()
    evaluation = session.evaluate(project.question("//..."))
    items = asked_items(evaluation, (), "{package}/{name}")
    (item,) = (item for id_, item in items.items() if id_.label.name == name)
    assert (item.base.label.name if item.base else None) == below
