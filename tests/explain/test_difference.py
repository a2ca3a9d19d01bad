"""What leads from one document to another, on documents made by hand."""

from __future__ import annotations

from typing import Any

from lambdabuild.digest import Key, key_of
from lambdabuild.explain.change import Change
from lambdabuild.explain.difference import difference, direct_difference
from lambdabuild.explain.nearest import nearest_action
from lambdabuild.explain.state import Hashed, Maker, Origin, hashed

IMAGE, LIB, BASE = "//app:image", "//lib:lib", "@python"


class Documents:
    """Documents of actions, found by key as `Current` and `Remembered` find them."""

    def __init__(self) -> None:
        self._known: dict[Key, Hashed] = {}

    def __call__(self, key: Key, maker: Maker | None) -> Hashed | None:
        return self._known.get(key)

    def forget(self, document: Hashed) -> None:
        del self._known[document.key]

    def action(
        self,
        label: str,
        tool: str,
        inputs: dict[str, Any] | None = None,
        *,
        number: int = 0,
        version: int = 1,
        platform: str = "any",
        **params: Any,
    ) -> Hashed:
        """Adds an action. An input is the text of a source, or (action, output); params are its own."""
        pairs, origins = [], dict[str, Origin]()
        for path, given in (inputs or {}).items():
            reference, origin = _input(path, given)
            pairs.append([path, reference])
            origins[path] = origin
        document: dict[str, Any] = {
            "inputs": pairs,
            "outputs": ["out"],
            "params": params,
            "platform": platform,
            "tool": tool,
            "tool_version": version,
        }
        found = hashed(key_of("deep", document), Maker(label, "linux/amd64", number), document, origins)
        self._known[found.key] = found
        return found


def _input(path: str, given: Any) -> tuple[dict[str, Any], Any]:
    if isinstance(given, Hashed):
        return {"action": given.key, "output": "out"}, given.maker
    return {"digest": f"{key_of('text', given)}/{len(given)}", "executable": False}, f"src/{path}"


def told(old: Hashed, new: Hashed, documents: Documents) -> list[tuple[str, str, str, str]]:
    return [(c.kind, c.place, c.old, c.new) for c in difference(old, new, documents, documents)]


def test_a_file_of_a_dependency_is_the_cause_and_told_once_with_its_way() -> None:
    documents = Documents()
    images = []
    for text in ("old", "new"):
        layer = documents.action(LIB, "layer", {"a.py": text})
        base = documents.action("//app:base", "image", {"layers/000.json": layer}, number=1)
        image = documents.action(IMAGE, "image", {"base/config.json": base, "base/manifest.json": base})
        images.append(image)
    old, new = images
    (change,) = difference(old, new, documents, documents)
    assert (change.kind, change.place) == ("edited", "src/a.py")
    assert change.via == (IMAGE, "//app:base", LIB)


def test_one_layer_more_in_front_is_no_change_of_the_others() -> None:
    documents = Documents()
    layers = [documents.action(f"//l:{name}", "layer", {"f.py": name}) for name in "abc"]
    old = documents.action(IMAGE, "image", {"layers/000.json": layers[1], "layers/001.json": layers[2]})
    new = documents.action(
        IMAGE, "image", {f"layers/00{number}.json": layer for number, layer in enumerate(layers)}
    )
    assert told(old, new, documents) == [("dependency", "layers/000.json", "", "//l:a")]
    assert told(new, old, documents) == [("dependency", "layers/000.json", "//l:a", "")]


def test_layers_in_another_order_are_told_as_that() -> None:
    documents = Documents()
    one, other = (documents.action(f"//l:{name}", "layer", {"f.py": name}) for name in "ab")
    old = documents.action(IMAGE, "image", {"layers/000.json": one, "layers/001.json": other})
    new = documents.action(IMAGE, "image", {"layers/000.json": other, "layers/001.json": one})
    assert told(old, new, documents) == [("order", "layers", "", "")]


def test_another_base_is_told_by_label_and_what_differs_in_it_is_not() -> None:
    documents = Documents()
    one, other = (documents.action(f"//b:{name}", "image", {"f.py": name}) for name in "ab")
    old = documents.action(IMAGE, "image", {"base/manifest.json": one})
    new = documents.action(IMAGE, "image", {"base/manifest.json": other})
    assert told(old, new, documents) == [("dependency", "base/manifest.json", "//b:a", "//b:b")]


def test_an_external_base_is_told_once_by_the_digests_of_its_manifests() -> None:
    documents = Documents()
    images = []
    for layer in ("one", "two"):
        manifest = documents.action(BASE, "write", content=f'{{"layers": ["{layer}"]}}', executable=False)
        config = documents.action(BASE, "write", number=1, content=f'{{"os": "{layer}"}}', executable=False)
        images.append(
            documents.action(IMAGE, "image", {"base/manifest.json": manifest, "base/config.json": config})
        )
    first, second = images
    ((kind, place, old, new),) = told(first, second, documents)
    assert (kind, place) == ("base", BASE)
    assert old.startswith("sha256:")
    assert new.startswith("sha256:")
    assert old != new


def test_a_package_in_another_version_is_told_by_its_files() -> None:
    documents = Documents()
    layers = []
    for version in ("1.0", "2.0"):
        name = f"boto3-{version}.whl"
        other = documents.action(IMAGE, "fetch", project="six", file="six-1.whl", sha256="0")
        wheel = documents.action(IMAGE, "fetch", number=1, project="boto3", file=name, sha256=version)
        layers.append(
            documents.action(IMAGE, "wheels", {name: wheel, "six-1.whl": other}, number=2, prefix="opt")
        )
    old, new = layers
    assert told(old, new, documents) == [("package", "boto3", "boto3-1.0.whl", "boto3-2.0.whl")]


def test_one_package_for_another_is_one_gone_and_one_come() -> None:
    documents = Documents()
    wheels = [documents.action(IMAGE, "fetch", project=name, file=f"{name}.whl") for name in ("attrs", "six")]
    layers = [documents.action(IMAGE, "wheels", {f"{n}.whl": w}, number=1) for n, w in enumerate(wheels)]
    old, new = layers
    assert told(old, new, documents) == [
        ("package", "attrs", "attrs.whl", ""),
        ("package", "six", "", "six.whl"),
    ]


def test_tool_version_and_platform_are_told_once_for_all_actions() -> None:
    documents = Documents()
    images = []
    for version, platform in ((1, "linux/amd64"), (2, "linux/arm64")):
        parts = [
            documents.action(IMAGE, "layer", {"f.py": name}, number=number, version=version)
            for number, name in enumerate("ab")
        ]
        layers = {f"layers/00{number}.json": layer for number, layer in enumerate(parts)}
        images.append(documents.action(IMAGE, "image", layers, number=9, platform=platform))
    old, new = images
    assert sorted(told(old, new, documents)) == [
        ("platform", "", "linux/amd64", "linux/arm64"),
        ("tool", "layer", "1", "2"),
    ]


def test_parameters_are_told_leaf_by_leaf_and_named_entries_by_name() -> None:
    documents = Documents()
    old = documents.action(
        LIB, "wheel", memory=256, env={}, lock=[{"name": "a", "version": "1"}, {"name": "b", "version": "1"}]
    )
    new = documents.action(
        LIB,
        "wheel",
        memory=512,
        env={"A": "x"},
        lock=[{"name": "b", "version": "2"}, {"name": "a", "version": "1"}],
    )
    assert told(old, new, documents) == [
        ("attr", "env.A", "", '"x"'),
        ("attr", "lock.b.version", '"1"', '"2"'),
        ("attr", "memory", "256", "512"),
    ]


def test_a_file_that_goes_to_another_place_is_moved_not_edited() -> None:
    documents = Documents()
    reference, _ = _input("a.py", "text")
    old, new = (
        hashed(Key(digit * 64), None, {"inputs": [[place, reference]], "params": {}}, {place: "src/a.py"})
        for digit, place in (("1", "opt/a.py"), ("2", "var/a.py"))
    )
    assert told(old, new, documents) == [("moved", "src/a.py", "opt/a.py", "var/a.py")]


def test_what_is_no_longer_known_is_said_to_be_so() -> None:
    documents = Documents()
    layers = [documents.action(LIB, "layer", {"a.py": text}) for text in ("old", "new")]
    old, new = (documents.action(IMAGE, "image", {"layers/000.json": layer}) for layer in layers)
    documents.forget(layers[0])
    assert told(old, new, documents) == [("unknown", f"layer of {LIB}", layers[0].key, layers[1].key)]


def test_a_direct_difference_stops_at_what_other_actions_make() -> None:
    documents = Documents()
    layers = [documents.action(LIB, "layer", {"a.py": text}) for text in ("old", "new")]
    old, new = (documents.action(IMAGE, "image", {"layers/000.json": layer}) for layer in layers)
    (change,) = direct_difference(old, new, documents, documents)
    assert change == Change("remade", f"layer of {LIB}", layers[0].key, layers[1].key, (IMAGE,))


def test_the_nearest_action_is_of_the_same_tool_and_shares_most() -> None:
    documents = Documents()
    new = documents.action(LIB, "layer", {"a.py": "1", "b.py": "2"})
    far = documents.action(LIB, "layer", {"c.py": "1"})
    near = documents.action(LIB, "layer", {"a.py": "1", "b.py": "3"})
    other = documents.action(LIB, "wheel", {"a.py": "1", "b.py": "2"})
    assert nearest_action(new, [other, far, near]) == near
    assert nearest_action(new, [other]) is None
