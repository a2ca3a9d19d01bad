from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.oci.config import CREATED
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Layer

from .strategies import environments, images, layers, texts

stacks = st.lists(st.tuples(layers, texts), max_size=3)
Stack = list[tuple[Layer, str]]


def append(image: Image, stack: Stack) -> Image:
    return image.append([layer for layer, _ in stack], [text for _, text in stack])


def config_of(image: Image) -> dict[str, Any]:
    document = json.loads(image.config)
    assert isinstance(document, dict)
    return document


def with_config_document(image: Image, **fields: Any) -> Image:
    """Returns the image with fields of its run configuration set, as another tool might."""
    document = config_of(image)
    document["config"].update(fields)
    config, manifest = json.dumps(document).encode(), json.loads(image.manifest)
    manifest["config"].update(digest=sha256_of(config), size=len(config))
    return Image.parse(json.dumps(manifest).encode(), config)


@given(images)
def test_an_image_parses_as_itself(image: Image) -> None:
    parsed = Image.parse(image.manifest, image.config)
    assert parsed == image
    assert parsed.digest == sha256_of(image.manifest)
    assert parsed.config_digest == sha256_of(image.config)


@given(images, stacks, stacks)
def test_append_is_associative(image: Image, lower: Stack, upper: Stack) -> None:
    assert append(append(image, lower), upper) == append(image, lower + upper)


@given(images)
def test_appending_nothing_is_the_identity(image: Image) -> None:
    assert image.append([], []) == image


@given(images, stacks)
def test_appended_layers_lie_on_those_of_the_base_in_order(image: Image, stack: Stack) -> None:
    built = append(image, stack)
    assert built.diff_ids == (*image.diff_ids, *(layer.diff_id for layer, _ in stack))
    assert built.layers[: len(image.layers)] == image.layers
    assert [(blob.digest, blob.size) for blob in built.layers[len(image.layers) :]] == [
        (layer.digest, layer.size) for layer, _ in stack
    ]


@given(images, stacks)
def test_a_built_image_keeps_to_the_media_types_of_its_base(image: Image, stack: Stack) -> None:
    built = append(image, stack).with_config(user="nobody")
    mark = {"oci": "vnd.oci.image", "docker": "vnd.docker"}[image.family]
    kinds = json.loads(built.manifest)
    assert all(mark in part["mediaType"] for part in (kinds, kinds["config"], *kinds["layers"]))
    assert built.family == image.family


@given(images, stacks.filter(bool))
def test_history_tells_of_each_layer_once_and_keeps_what_the_base_told(image: Image, stack: Stack) -> None:
    before = config_of(image).get("history") or []
    after = config_of(append(image, stack))["history"]
    assert after[: len(before)] == before
    assert sum(not entry.get("empty_layer") for entry in after) == len(image.layers) + len(stack)
    assert [entry["created_by"] for entry in after[-len(stack) :]] == [text for _, text in stack]


@given(images, stacks.filter(bool), environments)
def test_what_we_do_not_know_of_a_base_is_carried_over(
    image: Image, stack: Stack, env: dict[str, str]
) -> None:
    before, after = config_of(image), config_of(append(image, stack).with_config(env=env))
    for fields in (before, after):
        fields.pop("created")
        fields.pop("history")
        fields.pop("rootfs")
        fields["config"] = {k: v for k, v in (fields["config"] or {}).items() if not (env and k == "Env")}
    assert before == after


@given(images, stacks)
def test_platform_entrypoint_directory_and_user_stay_unless_asked(image: Image, stack: Stack) -> None:
    built = append(image, stack).with_config(env={"A": "b"}, labels={"c": "d"})
    for name in ("platform", "variant", "entrypoint", "cmd", "working_dir", "user"):
        assert getattr(built, name) == getattr(image, name)


@given(images, stacks, environments)
def test_building_on_a_base_leaves_its_bytes_alone(image: Image, stack: Stack, env: dict[str, str]) -> None:
    before = (image.manifest, image.config, image.env)
    append(image, stack).with_config(env=env, labels=env, cmd=["x"])
    again = Image.parse(image.manifest, image.config)
    assert (image.manifest, image.config, image.env) == before
    assert (again.env, again.labels, again.cmd) == (image.env, image.labels, image.cmd)


@given(images, environments, environments)
def test_environments_merge_by_name(image: Image, first: dict[str, str], second: dict[str, str]) -> None:
    built = image.with_config(env=first).with_config(env=second)
    assert built.env == {**image.env, **first, **second}


@given(images, environments, environments)
def test_labels_merge_by_name(image: Image, first: dict[str, str], second: dict[str, str]) -> None:
    built = image.with_config(labels=first).with_config(labels=second)
    assert built.labels == {**image.labels, **first, **second}


@given(images, environments)
def test_merging_an_environment_is_idempotent_and_blind_to_order(image: Image, env: dict[str, str]) -> None:
    built = image.with_config(env=env)
    assert built.with_config(env=env) == built
    assert image.with_config(env=dict(reversed(env.items()))) == built


def test_a_changed_variable_stays_where_it_was_and_new_ones_follow_by_name() -> None:
    base = Image.scratch("linux/amd64").with_config(env={"B": "1", "A": "1", "PATH": "/bin"})
    assert list(base.env) == ["A", "B", "PATH"]
    built = base.with_config(env={"Z": "2", "B": "2", "C": "2"})
    assert config_of(built)["config"]["Env"] == ["A=1", "B=2", "PATH=/bin", "C=2", "Z=2"]


def test_of_a_variable_given_twice_the_last_value_counts_before_and_after_a_change() -> None:
    base = Image.scratch("linux/amd64").with_config(env={"A": "1", "B": "1"})
    base = with_config_document(base, Env=["A=1", "B=1", "A=2"])
    assert base.env == {"A": "2", "B": "1"}
    assert base.with_config(env={"B": "3"}).env == {"A": "2", "B": "3"}
    assert base.with_config(env={"A": "3"}).env == {"A": "3", "B": "1"}


@given(images, st.lists(texts, max_size=2), texts)
def test_what_is_asked_for_is_there(image: Image, argv: list[str], text: str) -> None:
    built = image.with_config(entrypoint=argv, cmd=argv[::-1], working_dir=text, user=text)
    assert built.entrypoint == tuple(argv)
    assert built.cmd == tuple(argv[::-1])
    assert (built.working_dir, built.user) == (text, text)


@given(images)
def test_no_change_is_no_new_image(image: Image) -> None:
    assert image.with_config(env={}, labels={}) == image.with_config() == image


@given(images, stacks.filter(bool))
def test_our_documents_are_canonical_and_know_no_clock(image: Image, stack: Stack) -> None:
    built = append(image, stack)
    for data in (built.manifest, built.config):
        again = json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert data == again.encode()
    assert config_of(built)["created"] == CREATED == config_of(built)["history"][-1]["created"]


def test_a_scratch_image_is_this_and_nothing_else() -> None:
    image = Image.scratch("linux/arm64/v8")
    assert (image.platform, image.variant, image.layers, image.diff_ids) == ("linux/arm64", "v8", (), ())
    assert image.config == (
        b'{"architecture":"arm64","config":{},"created":"1980-01-02T00:00:00Z","history":[],'
        b'"os":"linux","rootfs":{"diff_ids":[],"type":"layers"},"variant":"v8"}'
    )
    assert image.manifest == (
        b'{"config":{"digest":"%s","mediaType":"application/vnd.oci.image.config.v1+json","size":%d},'
        b'"layers":[],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}'
        % (image.config_digest.encode(), len(image.config))
    )


@pytest.mark.parametrize("platform", ["", "linux", "linux/", "/amd64", "linux/arm64/v8/x"])
def test_a_scratch_image_needs_a_platform(platform: str) -> None:
    with pytest.raises(ImageError, match="is not a platform"):
        Image.scratch(platform)


@pytest.mark.parametrize("name", ["", "A=B", "A\0"])
def test_what_cannot_be_a_variables_name_is_refused(name: str) -> None:
    with pytest.raises(ImageError, match="cannot be the name of an environment variable"):
        Image.scratch("linux/amd64").with_config(env={name: "x"})


def test_each_layer_needs_its_history() -> None:
    layer = Layer(diff_id=sha256_of(b""), digest=sha256_of(b""), size=0, uncompressed_size=0)
    with pytest.raises(ValueError, match="1 layers cannot have 2 history entries"):
        Image.scratch("linux/amd64").append([layer], ["a", "b"])
