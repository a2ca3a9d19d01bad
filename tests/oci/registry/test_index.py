"""Which image of an index is for a platform."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.oci import documents
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.image import Image
from lambdabuild.oci.media_types import OCI_INDEX
from lambdabuild.oci.registry.index import DOCKER_LIST, choose

from .asking import index_of

platforms = st.sampled_from(["linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7"])


def image(platform: str) -> Image:
    return Image.scratch(platform)


@given(st.lists(platforms, max_size=4, unique=True), platforms)
def test_what_is_chosen_is_for_the_platform_and_what_is_not_there_is_listed(
    there: list[str], asked: str
) -> None:
    index = index_of(*map(image, there), media_type=OCI_INDEX)
    fitting = [each for each in there if f"{each}/".startswith(f"{asked}/")]
    fitting += [each for each in there if (each, asked) == ("linux/arm64", "linux/arm64/v8")]
    if fitting:
        assert choose(index, asked, "x:1").digest in [image(each).digest for each in fitting]
        return
    with pytest.raises(UserError) as caught:
        choose(index, asked, "x:1")
    assert caught.value.message == f"x:1 has nothing for {asked}"
    assert caught.value.hint == "it has " + (", ".join(there) or "no image for any platform")


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_attestations_are_no_images(media_type: str) -> None:
    index = index_of(image("linux/amd64"), media_type=media_type)
    with pytest.raises(UserError, match="has nothing for unknown/unknown"):
        choose(index, "unknown/unknown", "x:1")


@pytest.mark.parametrize(
    ("index", "told"),
    [
        (b"{", "the index is not valid JSON"),
        (b'{"manifests": [1]}', "is not a list of objects"),
        (
            b'{"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}',
            "has no 'mediaType'",
        ),
    ],
)
def test_what_is_no_index_is_refused(index: bytes, told: str) -> None:
    with pytest.raises(ImageError, match=told):
        choose(index, "linux/amd64", "x:1")


def test_an_index_in_an_index_is_passed_over() -> None:
    inner = {
        "mediaType": OCI_INDEX,
        "digest": image("linux/amd64").digest,
        "size": 1,
        "platform": {"os": "linux", "architecture": "amd64"},
    }
    with pytest.raises(UserError, match="has nothing for"):
        choose(documents.encode({"manifests": [inner]}), "linux/amd64", "x:1")
