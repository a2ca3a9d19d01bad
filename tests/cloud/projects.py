"""A package whose backend does what a test says before it makes the wheel."""

from __future__ import annotations

from collections.abc import Mapping

from tests.cloud.remote import IMAGES
from tests.python.building import IN_TREE, PYPROJECT


def with_package(*lines: str) -> Mapping[str, str]:
    """Returns IMAGES, and `//:package`, whose backend first does what `lines` say."""
    backend = ["def build_wheel(directory, *others):", *(f"    {line}" for line in lines)]
    backend += ["    write(os.path.join(directory, NAME))", "    return NAME", ""]
    return {
        **IMAGES,
        "BUILD": IMAGES["BUILD"] + 'python_package(name = "package", srcs = ["tools/own.py"])\n',
        "pyproject.toml": PYPROJECT.format(backend="own"),
        "tools/own.py": IN_TREE + "\n".join(backend),
    }
