"""The manual shows what it documents; tests/docs runs the commands."""

from __future__ import annotations

import re

import pytest

from lambdabuild.query.outputs import OUTPUTS
from lambdabuild.query.signatures import FUNCTIONS
from tests.docs.markdown import ROOT

MANUAL = (ROOT / "docs/manual.md").read_text()
CHAPTER = MANUAL[MANUAL.index("## The query language\n") : MANUAL.index("## WORKSPACE.toml\n")]
EXAMPLES = "".join(re.findall(r"^\$ lambdabuild query .*\n(?:    .*\n)?", CHAPTER, re.MULTILINE))


@pytest.mark.parametrize("name", [*FUNCTIONS, "set", "let"])
def test_every_function_is_in_the_table_and_has_an_example(name: str) -> None:
    assert re.search(rf"^\| `{name}[( ]", CHAPTER, re.MULTILINE)
    assert re.search(rf"\b{name}[( ]", EXAMPLES)


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_output_has_an_example(name: str) -> None:
    assert f"--output {name}\n" in EXAMPLES or name == "label"


@pytest.mark.parametrize("sign", ["+", "^", "-", "except"])
def test_operators_have_an_example(sign: str) -> None:
    assert f" {sign} " in EXAMPLES
