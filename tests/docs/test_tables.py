"""The tables of rules, settings, limits and tools are those of the code.

UPDATE_TRANSCRIPTS=1 rewrites the pages; read the difference before it is committed.
"""

from __future__ import annotations

import os

import pytest

from tests.docs.markdown import ROOT, generated, section, with_generated
from tests.docs.tables import bundled_rules, hashing_parts, manual_parts


@pytest.mark.parametrize(
    ("name", "parts"), [("docs/manual.md", manual_parts()), ("docs/hashing.md", hashing_parts())]
)
def test_generated_parts_are_what_the_code_says(name: str, parts: dict[str, str]) -> None:
    path = ROOT / name
    page = path.read_text()
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        path.write_text(with_generated(page, parts))
    else:
        assert generated(page) == parts


def test_the_manual_has_a_section_for_each_bundled_rule() -> None:
    page = (ROOT / "docs/manual.md").read_text()
    for rule in bundled_rules():
        assert f"<!-- generated: rule {rule.name} -->" in section(page, rule.name)


def test_everything_that_can_be_declared_has_its_doc() -> None:
    for rule in bundled_rules():
        assert rule.doc.endswith(".")
        for attr in rule.attrs.values():
            assert attr.doc.endswith("."), f"{rule.name}.{attr.name}"
