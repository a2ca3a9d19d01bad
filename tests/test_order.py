from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.action import ActionId
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Digest, Key, digest_of, encode
from lambdabuild.errors import UserError
from lambdabuild.label import Label
from lambdabuild.order import MadeFile, MadeInput, MadeLayer, Order, OrderedAction, PushedImage

from .strategies import canonical, digests, labels

_names = st.sampled_from(["a", "layer.tar.gz", "manifest.json", "b/c", "é"])
_outputs = st.lists(_names, min_size=1, max_size=3, unique=True).map(tuple)
_platforms = st.sampled_from(["any", "linux/amd64", "linux/arm64"])
_targets = labels.filter(lambda label: not label.external)
_tags = st.integers(0, (1 << 128) - 1).map(lambda number: f"b3-{number:032x}")
_sha256 = st.binary(max_size=3).map(lambda data: f"sha256:{digest_of(data).hash}")


def key(number: int) -> Key:
    return Key(digest_of(number.to_bytes(8, "big")).hash)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Orders that are well formed; keys do not follow from anything."""
    known = {key(1000 + n): outputs for n, outputs in enumerate(draw(st.lists(_outputs, max_size=2)))}
    there = [MadeFile(each, name) for each, names in known.items() for name in names]
    actions: list[OrderedAction] = []
    for number in range(draw(st.integers(0, 4))):
        paths = draw(st.lists(_names, max_size=3, unique=True)) if there else []
        made = [(path, draw(st.sampled_from(there)), draw(st.none() | st.booleans())) for path in paths]
        action = OrderedAction(
            key(number),
            ActionId(draw(_targets), draw(_platforms), number),
            draw(st.sampled_from(["layer", "image", "host_python"])),
            draw(st.dictionaries(st.text(max_size=3, alphabet="abé"), canonical, max_size=2)),
            draw(_outputs),
            draw(_platforms),
            draw(st.none() | digests),
            tuple(MadeInput(path, file.key, file.output, mode) for path, file, mode in made),
        )
        actions.append(action)
        there += [MadeFile(action.key, name) for name in action.outputs]
    images = draw(_images(there)) if there else ()
    return Order(
        tuple(actions),
        known,
        images,
        tuple(draw(st.lists(st.sampled_from(["localhost:5000", "host.example/team/x"]), max_size=2))),
        draw(
            st.dictionaries(_sha256, _sha256.map(lambda digest: f"docker.io/library/a@{digest}"), max_size=2)
        ),
        tuple(draw(st.lists(st.sampled_from(["localhost:5000", "registry"]), max_size=2))),
        draw(st.none() | st.just("https://index.example:8080/simple")),
    )


@st.composite
def _images(draw: st.DrawFn, there: list[MadeFile]) -> tuple[PushedImage, ...]:
    file = st.sampled_from(there)
    targets = draw(st.lists(st.builds(ConfiguredLabel, _targets, _platforms), max_size=3, unique=True))
    return tuple(
        PushedImage(
            target,
            draw(st.sampled_from(["a", "team/image"])),
            draw(_tags),
            draw(file),
            draw(file),
            tuple(draw(st.lists(st.builds(MadeLayer, file, file), max_size=2))),
            tuple(draw(st.lists(st.sampled_from(["latest", "v1-arm64"]), max_size=2))),
            draw(st.none() | st.integers(0, number - 1)) if number else None,
            draw(st.booleans()),
            draw(st.booleans()),
            tuple(draw(st.lists(st.sampled_from(["app.main", "a.b.c"]), max_size=2))),
            draw(st.booleans()),
            tuple(draw(st.lists(st.sampled_from(["public.ecr.aws/lambda/python:3.12"]), max_size=1))),
        )
        for number, target in enumerate(targets)
    )


@given(orders())
@example(Order(()))
def test_decoding_is_a_left_inverse_of_encoding(order: Order) -> None:
    assert Order.decode(order.encode(), order.digest.hash) == order


@given(orders(), orders())
def test_equal_orders_and_no_others_have_equal_digests(one: Order, other: Order) -> None:
    assert (one.digest == other.digest) == (one == other)


def read(document: Any) -> Order:
    """Returns the order of a document, under its right digest."""
    data = document if isinstance(document, bytes) else encode(document)
    return Order.decode(zlib.compress(data), digest_of(data).hash)


@given(st.binary(max_size=200))
@example(zlib.compress(b"{}"))
@example(zlib.compress(b""))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(UserError, match="cannot be used"):
        Order.decode(data, digest_of(data).hash)


@given(orders(), st.randoms(use_true_random=False))
def test_a_document_with_other_bytes_is_refused_or_is_another_order(
    order: Order, rand: random.Random
) -> None:
    data = bytearray(order.document())
    for _ in range(rand.randint(1, 3)):
        data[rand.randrange(len(data))] = rand.choice(b'0123456789abc{}[]",:\\/. -\x00\xff')
    try:
        found = read(bytes(data))
    except UserError:
        return
    assert found.document() == bytes(data)


_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.just([]), st.just({}), st.just(1 << 80),
    st.sampled_from(["..", "/a", "a/../b", "\u202e", "x" * 5000, "any", "sha256:0", "http://u:p@h/", "0" * 64]),
)  # fmt: skip


def mutated(value: Any, rand: random.Random, new: Any) -> Any:
    """Returns a document with `new` in some place of it."""
    if isinstance(value, dict) and value and rand.random() < 0.9:
        name = rand.choice(sorted(value))
        return {**value, name: mutated(value[name], rand, new)}
    if isinstance(value, list) and value and rand.random() < 0.9:
        at = rand.randrange(len(value))
        return [*value[:at], mutated(value[at], rand, new), *value[at + 1 :]]
    return new


@given(orders(), st.randoms(use_true_random=False), _values)
def test_a_document_with_another_value_somewhere_is_refused_or_is_another_order(
    order: Order, rand: random.Random, new: Any
) -> None:
    document = mutated(json.loads(order.document()), rand, new)
    try:
        found = read(document)
    except UserError:
        return
    assert found.document() == encode(document)


def small() -> Order:
    """Two actions, the second on the first and on a known one, and two images."""
    label = Label("app", "image")
    layer = OrderedAction(
        key(0),
        ActionId(label, "linux/arm64", 0),
        "layer",
        {},
        ("layer.tar.gz", "layer.json"),
        "any",
        digest_of(b""),
    )
    made = (MadeInput("layers/000.json", key(0), "layer.json"), MadeInput("base/manifest.json", key(9), "m"))
    outputs = ("manifest.json", "config.json")
    image = OrderedAction(
        key(1), ActionId(label, "linux/arm64", 1), "image", {"env": {}}, outputs, "linux/arm64", None, made
    )
    parts = MadeFile(key(1), "manifest.json"), MadeFile(key(1), "config.json")
    layers = (MadeLayer(MadeFile(key(0), "layer.tar.gz"), MadeFile(key(0), "layer.json")),)
    base = MadeFile(key(9), "m")
    pushed = PushedImage(
        ConfiguredLabel(label, "linux/arm64"), "app/image", "b3-" + "0" * 32, *parts, layers, base=1
    )
    below = PushedImage(
        ConfiguredLabel(Label("@", "python"), "linux/arm64"), "b", "b3-" + "1" * 32, base, base, ()
    )
    return Order((layer, image), {key(9): ("m",)}, (pushed, below), ("localhost:5000/x",))


def test_the_small_order_of_these_tests_is_one() -> None:
    assert Order.decode(small().encode(), small().digest.hash) == small()


def changed(path: str, value: Any) -> dict[str, Any]:
    """Returns the document of the small order with `value` at "actions/0/key" and the like."""
    document: dict[str, Any] = json.loads(small().document())
    at: Any = document
    *above, last = (int(part) if part.isdigit() else part for part in path.split("/"))
    for part in above:
        at = at[part]
    at[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("version", True),
        ("further", 1),
        ("actions", {}),
        ("actions/0/key", "0" * 63),
        ("actions/0/key", key(1)),
        ("actions/0/key", key(9)),
        ("actions/0/target/0", "app:image"),
        ("actions/0/target/0", "//../app:image"),
        ("actions/0/target/0", "//app"),
        ("actions/0/target/1", "plan9/mips"),
        ("actions/0/target/2", -1),
        ("actions/0/target/2", 1),
        ("actions/0/tool", "../layer"),
        ("actions/0/params", []),
        ("actions/0/outputs", []),
        ("actions/0/outputs", ["a", "a"]),
        ("actions/0/outputs", ["../a"]),
        ("actions/0/outputs", ["/a"]),
        ("actions/0/platform", "linux/386"),
        ("actions/0/sources", "0" * 64),
        ("actions/0/sources", f"{'0' * 64}/{'9' * 5000}"),
        ("actions/0/made", [["a", 1, "manifest.json", None]]),
        ("actions/0/made", [["a", 0, "layer.json", None]]),
        ("actions/1/made/0/0", "../../etc/passwd"),
        ("actions/1/made/0/0", "a\x1b[2J"),
        ("actions/1/made/0/0", "base/manifest.json"),
        ("actions/1/made/0/1", 3),
        ("actions/1/made/0/1", -1),
        ("actions/1/made/0/1", True),
        ("actions/1/made/0/2", "manifest.json"),
        ("actions/1/made/0/3", 1),
        ("known/0/1", ["..", "m"]),
        ("images/0/target", ["//:x"]),
        ("images/0/repository", "UPPER"),
        ("images/0/tag", "latest"),
        ("images/0/tags", ["b3-" + "0" * 32]),
        ("images/0/tags", ["a b"]),
        ("images/0/base", 0),
        ("images/0/base", 2),
        ("images/1/base", 0),
        ("images/0/manifest", [1, "layer.json"]),
        ("images/0/layers", [[[0, "layer.json"]]]),
        ("images/0/asked", 1),
        ("images/0/handlers", ["a\nb"]),
        ("images/0/origins", ["python"]),
        ("images/1/target", ["//app:image", "linux/arm64"]),
        ("destinations", ["https://host/x"]),
        ("destinations", ["host/"]),
        ("pins", {"sha256:00": "docker.io/library/a@sha256:" + "0" * 64}),
        ("pins", {"sha256:" + "0" * 64: "docker.io/library/a:latest"}),
        ("insecure", ["host/path"]),
        ("index", "https://user:secret@index.example/simple"),
        ("index", "file:///etc"),
    ],
)  # fmt: skip
def test_what_an_order_cannot_say_is_refused(path: str, value: Any) -> None:
    with pytest.raises(UserError, match="cannot be used") as caught:
        read(changed(path, value))
    assert "secret" not in caught.value.message


def test_an_order_under_another_name_is_refused() -> None:
    with pytest.raises(UserError, match="another digest"):
        Order.decode(small().encode(), "0" * 64)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: zlib.compress(b" " + zlib.decompress(data)),
        lambda data: zlib.compress(json.dumps(json.loads(zlib.decompress(data))).encode()),
    ],
    ids=["cut", "appended", "space", "not canonical"],
)
def test_one_order_has_one_encoding_of_its_document(spoil: Callable[[bytes], bytes]) -> None:
    data = spoil(small().encode())
    try:
        name = digest_of(zlib.decompress(data)).hash
    except zlib.error:
        name = small().digest.hash
    with pytest.raises(UserError, match=r"damaged|canonical"):
        Order.decode(data, name)


@pytest.mark.parametrize("depth", [60, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    document = (
        small().document().replace(b'"params":{}', b'"params":{"a":' + b"[" * depth + b"]" * depth + b"}")
    )
    with pytest.raises(UserError, match="nested too deeply"):
        read(document)


@pytest.mark.parametrize("number", [b"1.5", b"1e400", b"NaN", b"Infinity", b"9" * 5000])
def test_numbers_that_are_no_integers_are_refused(number: bytes) -> None:
    with pytest.raises(UserError, match="cannot be used"):
        read(small().document().replace(b'"params":{}', b'"params":{"a":' + number + b"}"))


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused() -> None:
    data = zlib.compress(b" " * (65 << 20))
    with pytest.raises(UserError, match="too large"):
        Order.decode(data, "0" * 64)


def typical(count: int) -> Order:
    """Images on one base, with a handler of their own each."""
    base = {key(1 << 20): ("manifest.json", "config.json")}
    actions = []
    for number in range(0, count, 2):
        label = Label(f"infra/function_{number:04}", "image")
        layer = OrderedAction(
            key(number),
            ActionId(label, "linux/arm64", 0),
            "layer",
            {"bytecode": "3.12.7"},
            ("layer.tar.gz", "layer.json"),
            "any",
            Digest(digest_of(number.to_bytes(9, "big")).hash, 80 + number % 50),
        )
        image = OrderedAction(
            key(number + 1),
            ActionId(label, "linux/arm64", 1),
            "image",
            {
                "cmd": [f"handler_{number}.main"],
                "entrypoint": None,
                "env": {"STAGE": "dev", "FUNCTION": f"function_{number:04}"},
                "labels": {},
                "modules": {f"handler_{number}": [f"var/task/handler_{number}.py"]},
                "places": [f"var/task/handler_{number}.py"],
                "python_path": None,
                "user": None,
                "working_dir": None,
            },
            ("manifest.json", "config.json"),
            "linux/arm64",
            None,
            (
                MadeInput("base/config.json", key(1 << 20), "config.json"),
                MadeInput("base/manifest.json", key(1 << 20), "manifest.json"),
                MadeInput("layers/000.json", layer.key, "layer.json"),
            ),
        )
        actions += [layer, image]
    return Order(tuple(actions), base)


def test_a_thousand_typical_actions_take_at_most_250_bytes_each() -> None:
    order = typical(1000)
    assert len(order.encode()) <= 250 * len(order.actions)
    assert Order.decode(order.encode(), order.digest.hash) == order


def test_long_chains_of_bases_are_read_in_reasonable_time() -> None:
    image = small().images[1]
    count = 4_000
    images = tuple(
        replace(image, id=ConfiguredLabel(Label("", f"i{n}"), "any"), base=n + 1 if n + 1 < count else None)
        for n in range(count)
    )
    order = replace(small(), images=images)
    assert len(Order.decode(order.encode(), order.digest.hash).images) == count
