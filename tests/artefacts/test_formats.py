"""Maps as text: what each tool's own reader finds in it."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.artefacts.artefact import Artefact
from lambdabuild.artefacts.formats import FORMATS, merged, render
from lambdabuild.errors import Location, UserError
from lambdabuild.label import Label, parse_label

from .maps import artefact, labels

DIGEST = "sha256:" + "ab" * 32
ONE = artefact(Label("infra/list", "image"), digest=DIGEST, functions={"list": "app.main"})
TWO = artefact(Label("b", "image"), digest=DIGEST)
AT = Location("cdk.context.json")
few = st.lists(labels.map(artefact), max_size=4, unique_by=lambda each: each.name)


@given(few, st.sampled_from([*FORMATS]), st.randoms())
def test_equal_maps_are_equal_bytes_in_any_order(
    artefacts: list[Artefact], format_: str, random: Any
) -> None:
    shuffled = random.sample(artefacts, len(artefacts))
    try:
        text = render(format_, artefacts)
    except UserError:
        with pytest.raises(UserError):
            render(format_, shuffled)
        return
    assert text == render(format_, shuffled)
    assert text.endswith("\n") or not artefacts


@given(few)
def test_no_format_loses_an_image(artefacts: list[Artefact]) -> None:
    names = {each.name for each in artefacts}
    assert json.loads(render("json", artefacts))["images"].keys() == names
    assert json.loads(render("tfvars", artefacts))["lambda_images"].keys() == names
    assert json.loads(render("cdk-context", artefacts))["lambdabuild:images"].keys() == names
    assert (
        json.loads(json.loads(render("pulumi-config", artefacts))["lambdabuild:images"]["value"]).keys()
        == names
    )


@given(few)
def test_parameters_are_letters_and_digits_and_refused_just_where_two_would_be_one(
    artefacts: list[Artefact],
) -> None:
    alone = {parameters([each])[0] for each in artefacts}
    assert all(key.isalnum() and key.isascii() for key in alone)
    if len(alone) == len(artefacts):
        assert {*parameters(artefacts)} == alone
    else:
        with pytest.raises(UserError, match="would both be"):
            parameters(artefacts)


def parameters(artefacts: list[Artefact]) -> list[str]:
    return [each["ParameterKey"] for each in json.loads(render("cfn-parameters", artefacts))]


def test_the_json_document() -> None:
    assert json.loads(render("json", [ONE])) == {
        "version": 1,
        "predicted": False,
        "images": {
            "infra_list_image": {
                "label": "//infra/list:image",
                "platform": "linux/arm64",
                "architecture": "arm64",
                "uri": f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/image@{DIGEST}",
                "tag_uri": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/image:b3-0123456789abcdef0123456789abcdef",
                "repository": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/image",
                "tag": "b3-0123456789abcdef0123456789abcdef",
                "digest": DIGEST,
                "hash": "0123456789abcdef" * 4,
                "functions": {"list": "app.main"},
            }
        },
    }


def test_a_prediction_says_so_and_its_uris_are_by_tag() -> None:
    document = json.loads(render("json", [artefact(Label("a", "image"))]))
    (image,) = document["images"].values()
    assert document["predicted"]
    assert image["uri"] == image["tag_uri"]
    assert image["digest"] is None


def test_shells_read_a_dotenv_file_as_it_was_meant() -> None:
    strange = artefact(Label("a", "image"), functions={"f-{stage}": "app.main", "g $x": "app.main"})
    text = render("dotenv", [strange])
    script = f'set -a\n{text}printf %s "$A_IMAGE_FUNCTIONS|$A_IMAGE_URI"'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={}).stdout
    assert told == f"f-{{stage}},g $x|{strange.uri}"
    assert all(len(shlex.split(line)) == 1 for line in text.splitlines())


def test_a_value_that_no_dotenv_line_can_hold_is_refused() -> None:
    with pytest.raises(UserError, match="cannot be written in a dotenv file"):
        render("dotenv", [artefact(Label("a", "image"), functions={"it's": "app.main"})])


def test_variables_of_one_name_are_an_error() -> None:
    """a_tag and a: A_TAG_URI would be the URI of one, and the tag's of the other."""
    with pytest.raises(UserError, match=r"//:a .* and //:a_tag .* would both be A_TAG_URI"):
        render("dotenv", [artefact(parse_label("//:a")), artefact(parse_label("//:a_tag"))])


def test_parameters_of_one_name_are_an_error() -> None:
    with pytest.raises(UserError, match="would both be ABUri"):
        render("cfn-parameters", [artefact(parse_label("//:a_b")), artefact(parse_label("//:aB"))])


def test_parameters_as_create_stack_takes_them() -> None:
    assert json.loads(render("cfn-parameters", [ONE, TWO])) == [
        {"ParameterKey": "BImageUri", "ParameterValue": TWO.uri},
        {"ParameterKey": "InfraListImageUri", "ParameterValue": ONE.uri},
    ]


def test_what_else_is_in_a_context_file_stays() -> None:
    before = b'{"availability-zones": ["a"], "lambdabuild:images": {"old": {}}}'
    after = json.loads(merged(render("cdk-context", [ONE]), before, AT))
    assert after["availability-zones"] == ["a"]
    assert after["lambdabuild:images"].keys() == {"infra_list_image"}


@pytest.mark.parametrize("before", [b"", b"[]", b"{", b"\xff", b"1"])
def test_what_is_no_object_is_left_alone(before: bytes) -> None:
    with pytest.raises(UserError, match="no JSON object") as caught:
        merged(render("cdk-context", [ONE]), before, AT)
    assert caught.value.at == AT
