"""Nothing leaves before the guard has looked: pushes, shared results, orders for CodeBuild."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.commands.deliveries import origins_of
from lambdabuild.errors import UserError
from lambdabuild.pushing.plan import plan_push, read_wishes
from tests.oci.registry.proxy import Proxy
from tests.oci.registry.real import RealRegistry
from tests.project import Project

from .secrets import AWS_KEY

BUILD = 'lambda_image(name = "image", base = "scratch", srcs = ["app.py"], handler = "app.main"{more})\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {"BUILD": BUILD.format(more=""), "app.py": f"KEY = {AWS_KEY!r}\ndef main(event, context): ...\n"}
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", dict(files))


@pytest.mark.parametrize("command", [("push",), ("build", "--push")], ids=" ".join)
def test_a_push_is_refused_before_the_registry_hears_of_it(
    project: Project, registry: RealRegistry, command: tuple[str, ...]
) -> None:
    with Proxy(registry.host) as gate:
        ran = project.run(*command, "--to", f"{gate.host}/guard", "//:image")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.splitlines() == [
            "error: app.py:1: //:image would take a key of AWS along, and nothing was sent",
            '  hint: remove it, or say in //:image that it is meant: allow = ["app.py:aws-key"]',
        ]
        assert gate.requests == []
        assert AWS_KEY not in ran.err
    assert not list((project.cache / "cas").rglob("*"))


def test_what_is_allowed_is_pushed_and_an_entry_for_nothing_is_told(
    project: Project, registry: RealRegistry
) -> None:
    project.write({"BUILD": BUILD.format(more=', allow = ["app.py:aws-key", "old.py"]')})
    ran = project.run("push", "--to", f"{registry.host}/allowed", "//:image")
    assert ran.code == 0
    assert "pushed" in ran.out
    assert "//:image: allow has 'old.py', and nothing is found there; drop it" in ran.err


def test_a_build_that_stays_here_is_not_looked_at(project: Project, tmp_path: Path) -> None:
    assert project.run("build", "//:image").code == 0
    assert project.run("build", "--output", f"type=oci,dest={tmp_path / 'x'}", "//:image").code in (0, 2)
    assert not (project.cache / "guard").exists()


def test_the_plan_of_a_push_has_every_image_looked_at(project: Project) -> None:
    """The bases of images go along, so what is in them does as well."""
    project.write(
        {
            "BUILD": 'base_image(name = "base", base = "scratch", srcs = ["app.py"])\n'
            + BUILD.replace('"scratch", srcs = ["app.py"]', '":base", srcs = ["b.py"]')
            .replace("app.main", "b.main")
            .format(more=""),
            "b.py": "def main(event, context): ...\n",
        }
    )
    session = project.session()
    wishes = read_wishes(session.workspace, ["localhost:1/x"], [])
    evaluation = session.evaluate(project.question("//:image"))
    plan = plan_push(evaluation, wishes, origins_of(session))
    with pytest.raises(UserError, match="//:base would take a key of AWS along"):
        session.build(plan.with_bases(evaluation), jobs=1, leaves=True)
