"""A monorepo without BUILD files: packages of a backend of their own, handlers, Dockerfiles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.packages import package
from tests.project import Project, Ran

HANDLER = "def lambda_handler(event, context):\n    return event\n"
FROM = "FROM public.ecr.aws/lambda/python:3.12\n"
CMD = 'CMD ["handler.lambda_handler"]\n'


def library(directory: str, *requires: str, **more: str) -> dict[str, str]:
    """Returns the files of a package without its BUILD file."""
    files = package(directory, requires, **more)  # type: ignore[arg-type]
    return {path: text for path, text in files.items() if not path.endswith("/BUILD")}


def monorepo(tmp_path: Path, files: Mapping[str, str], *, workspace: bool = False) -> Project:
    return Project(tmp_path / "mono", tmp_path / "cache" / "lambdabuild", files, workspace=workspace)


def build_file(project: Project, path: str) -> str:
    return (project.root / path).read_text()


def init(project: Project, *arguments: str, code: int = 0) -> Ran:
    ran = project.run("init", *arguments)
    assert ran.code == code, ran.out + ran.err
    return ran


def snapshot(project: Project) -> dict[str, bytes]:
    """Returns the bytes of every file of the workspace."""
    paths = sorted(path for path in project.root.rglob("*") if path.is_file())
    return {str(path.relative_to(project.root)): path.read_bytes() for path in paths}
