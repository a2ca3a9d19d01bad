"""Every attribute of every bundled rule is in the hash, or listed here with the reason why not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lambdabuild.action import ActionKey, unkeyed_fields
from lambdabuild.errors import Location
from lambdabuild.python.build_lock import BuildLock
from lambdabuild.python.lock import Lock
from lambdabuild.python.lock_file import print_lock
from lambdabuild.python.locked import LockedFile, LockedPackage
from lambdabuild.python.platforms import Combination
from lambdabuild.rule import COMMON_ATTRS, Rule
from lambdabuild.rulebook import Rulebook
from lambdabuild.sources import WorkingTree
from tests.project import WORKSPACE, Project

SYSTEMS = (("3.11", "glibc 2.34"), ("3.11", "glibc 2.36"), ("3.12", "glibc 2.34"))
WHEELS = ("cp311-cp311-manylinux_2_34", "cp311-cp311-manylinux_2_36", "cp312-cp312-manylinux_2_34")
PACKAGES = [
    LockedPackage.of(
        name,
        "1",
        [
            LockedFile.of(f"{name}-1-{wheel}_x86_64.whl", 10, digit * 64)
            for digit, wheel in zip("abc", WHEELS, strict=True)
        ],
    )
    for name in ("six", "toolz")
]
SCM = LockedPackage.of(
    "setuptools-scm", "9", [LockedFile.of("setuptools_scm-9-py3-none-any.whl", 10, "d" * 64)]
)
LOCK = Lock.of(
    [Combination.of(python, libc, "linux/amd64") for python, libc in SYSTEMS],
    ["six", "toolz"],
    PACKAGES,
    [BuildLock.of(["setuptools-scm"], [SCM])],
)
PYPROJECT = (
    '[build-system]\nrequires = ["setuptools-scm"]\nbuild-backend = "setuptools.build_meta"\n\n'
    '[project]\nname = "app"\ndynamic = ["version"]\n'
)
DOCKERFILE = (
    "ARG BASE_IMAGE_URI\nFROM ${BASE_IMAGE_URI} AS one\nARG X\nCOPY app/a.py /\nFROM one AS two\nRUN x\n"
)
FILES: dict[str, str | bytes] = {
    "app/a.py": "A = 1\n",
    "app/b.py": "B = 1\n",
    "app/sub/c.py": "",
    "app/pyproject.toml": PYPROJECT,
    "app/other.toml": PYPROJECT + "# other\n",
    "python.lock": print_lock(LOCK),
    "WORKSPACE.toml": WORKSPACE + '[secrets.one]\nenv = "ONE"\n[secrets.two]\nenv = "TWO"\n',
    "app/Dockerfile": DOCKERFILE,
    "app/other.Dockerfile": DOCKERFILE + "RUN y\n",
}
OTHERS = (
    'base_image(name = "one", base = "scratch", python = "3.11", libc = "glibc 2.34", env = {"B": "1"})\n'
    'base_image(name = "other", base = "scratch", python = "3.11", libc = "glibc 2.34")\n'
    'python_requirements(name = "reqs", requirements = ["toolz"])\n'
)

# What each attribute is set to before and after; everything else stays as in MINIMAL.
_IMAGE = {
    "base": ('":one"', '":other"'),
    "srcs": ('["a.py"]', '["b.py"]'),
    "env": ('{"A": "1"}', '{"A": "2"}'),
    "labels": ('{"a": "1"}', '{"a": "2"}'),
    "entrypoint": ('["/a"]', '["/b"]'),
    "cmd": ('["a"]', '["b"]'),
    "working_dir": ('"/a"', '"/b"'),
    "user": ('"a"', '"b"'),
    "packages": ("[]", '[":reqs"]'),
    "bytecode": ('"3.11.1"', '"3.11.2"'),
    "requirements": ('["six"]', '["six", "toolz"]'),
}
_DOCKERFILE = {
    "dockerfile": ('"Dockerfile"', '"other.Dockerfile"'),
    "build_args": ('{"X": "1"}', '{"X": "2"}'),
    "target": ('"one"', '"two"'),
    "secrets": ('["one"]', '["one", "two"]'),
}
_IMAGE |= _DOCKERFILE
HASHED = {
    "files": {
        "srcs": ('["a.py"]', '["b.py"]'),
        "dest": ('"opt/a"', '"opt/b"'),
        "strip_prefix": ('""', '"app"'),
        "mode": ('"0644"', '"0755"'),
    },
    # Which Python and C library there are says which wheels are taken.
    "base_image": {**_IMAGE, "python": ('"3.11"', '"3.12"'), "libc": ('"glibc 2.34"', '"glibc 2.36"')},
    "lambda_image": {**_IMAGE, "handler": ('"a.main"', '"a.other"')},
    "host_python_image": {},
    "python_requirements": {},
    "python_package": {
        "srcs": ('["a.py"]', '["b.py"]'),
        "data": ('["sub/c.py"]', "[]"),
        "pyproject": ('"pyproject.toml"', '"other.toml"'),
        "version": ('"1.2"', '"1.3"'),
        "native": ("False", "True"),
    },
}
# Its requirements become files only in the images that name it; "packages" above shows that they count.
ELSEWHERE = {"python_requirements": {"requirements"}}
UNHASHED = {
    "name": "equal work under two names is done once",
    "visibility": "says who may name the target, not what it is",
    "tags": "are words for queries",
    "platforms": "says for which platforms there are hashes; each covers its own platform",
    "functions": "says which functions an image is for; the image is the same",
    "repository": "says where the image is pushed, not what it is",
    "allow": "says what the guard lets pass; the files are the same",
}
MINIMAL = {
    "files": {"srcs": '["a.py"]'},
    "base_image": {
        "base": '"scratch"',
        "python": '"3.11"',
        "libc": '"glibc 2.34"',
        "requirements": '["six"]',
    },
    "lambda_image": {"base": '":other"', "srcs": '["a.py"]'},
    "python_package": {"srcs": '["a.py"]', "version": '"1.0"'},
    "a Dockerfile": {"base": '":other"', "srcs": '["a.py"]', "dockerfile": '"Dockerfile"'},
}


def bundled_rules() -> list[Rule]:
    rulebook = Rulebook(WorkingTree(Path("/nonexistent")), say=_silent)
    rulebook.build_file("BUILD", "", "")
    return list(rulebook.rules.values())


def _silent(text: str, at: Location | None) -> None:
    raise AssertionError(text)


def test_every_attribute_of_a_bundled_rule_is_accounted_for() -> None:
    rules = {rule.name: {*rule.attrs, *COMMON_ATTRS} for rule in bundled_rules()}
    assert rules.keys() == HASHED.keys()
    for name, attrs in rules.items():
        assert attrs == {*HASHED[name], *ELSEWHERE.get(name, ()), *(attrs & UNHASHED.keys())}


@pytest.mark.parametrize(
    ("rule", "attribute"), [(rule, attribute) for rule, attrs in HASHED.items() for attribute in attrs]
)
def test_a_hashed_attribute_moves_the_hash(tmp_path: Path, rule: str, attribute: str) -> None:
    one, other = (hash_with(tmp_path, rule, attribute, value) for value in HASHED[rule][attribute])
    assert one != other


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("name", '"renamed"'),
        ("visibility", '["//visibility:private"]'),
        ("tags", '["slow"]'),
        ("platforms", '["linux/amd64"]'),
        ("functions", '{"f": "a.main"}'),
        ("repository", '"team/receipts"'),
        ("allow", '["a.py"]'),
    ],
)
def test_an_unhashed_attribute_does_not_move_the_hash(tmp_path: Path, attribute: str, value: str) -> None:
    before = hash_with(tmp_path, "lambda_image", "srcs", '["a.py"]')
    assert hash_with(tmp_path, "lambda_image", attribute, value) == before


def hash_with(tmp_path: Path, rule: str, attribute: str, value: str) -> str:
    minimal = MINIMAL["a Dockerfile" if attribute in _DOCKERFILE else rule]
    attrs = {"name": '"x"'} | minimal | {attribute: value}
    call = f"{rule}({', '.join(f'{name} = {text}' for name, text in attrs.items())})\n"
    files: dict[str, str | bytes] = {**FILES, "app/BUILD": OTHERS + call}
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", files)
    hashes = project.hashes("//app:all")
    return next(
        hash_ for label, hash_ in hashes.items() if label not in ("//app:one", "//app:other", "//app:reqs")
    )


def test_every_field_of_an_action_key_is_accounted_for() -> None:
    fields = {field.name for field in dataclasses.fields(ActionKey)}
    hashed = {"tool", "tool_version", "params", "input_root", "outputs", "platform"}
    assert set(unkeyed_fields()) == {"owner"}
    assert fields == hashed | {"owner"}
