"""Names in maps: labels in the letters that all tools take, no two alike."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.artefacts.names import name_of, names_of
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.errors import UserError
from lambdabuild.label import Label, parse_label

from .maps import ids, labels


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("//infra/list_receipts:image", "infra_list_receipts_image"),
        ("//infra/list-receipts", "infra_list_receipts"),
        ("//infra/list-receipts:list-receipts", "infra_list_receipts"),
        ("//:image", "image"),
        ("//2024:image", "_2024_image"),
        ("//Infra/API:v1.2", "Infra_API_v1_2"),
        ("@python", "external_python"),
        ("//a:é", "a__"),
    ],
)
def test_names_of_labels(label: str, name: str) -> None:
    assert name_of(parse_label(label)) == name


@given(labels)
@example(Label("", "1"))
def test_a_name_is_an_identifier_of_every_tool(label: Label) -> None:
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name_of(label))


@given(st.lists(ids, unique=True, max_size=4))
@example(
    [ConfiguredLabel(Label("a", "b"), "linux/arm64"), ConfiguredLabel(Label("a_b", "a_b"), "linux/arm64")]
)
def test_names_are_refused_just_where_two_would_be_one(images: list[ConfiguredLabel]) -> None:
    labels = [image.label for image in images]
    alone = [name_of(label) for label in labels]
    if len({*zip(labels, alone, strict=True)}) == len({*alone}) == len({*labels}):
        names = names_of(images)
        assert len({*names.values()}) == len(images) == len(names)
    elif len({*labels}) == len(labels):
        with pytest.raises(UserError, match="would both be"):
            names_of(images)


def test_a_label_for_several_platforms_has_the_architecture_in_its_names() -> None:
    label, other = Label("a", "image"), Label("b", "image")
    images = [
        *(ConfiguredLabel(label, each) for each in ("linux/amd64", "linux/arm64")),
        ConfiguredLabel(other, "linux/arm64"),
    ]
    assert [*names_of(images).values()] == ["a_image_amd64", "a_image_arm64", "b_image"]


def test_labels_that_come_to_one_name_are_an_error_that_names_both() -> None:
    images = [
        ConfiguredLabel(Label("a-b", "c"), "linux/arm64"),
        ConfiguredLabel(Label("a", "b/c"), "linux/arm64"),
    ]
    with pytest.raises(UserError) as caught:
        names_of(images)
    assert caught.value.message == "//a-b:c (linux/arm64) and //a:b/c (linux/arm64) would both be a_b_c"
