"""The settings there are: sections and keys of WORKSPACE.toml, with their types, defaults and meanings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OUT_DIR = "lambdabuild-out"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of one section: its type, its default and what it means."""

    default: str | tuple[str, ...]
    doc: str


SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "workspace": {
        "name": Setting("", "The workspace's name; that of its directory if not given."),
        "platforms": Setting(
            ("linux/amd64",),
            "What targets are built for without --platform: linux/amd64, linux/arm64, or host "
            "for that of the machine that builds.",
        ),
        "ignore": Setting(
            ("node_modules", OUT_DIR, "__pycache__"),
            "Names of directories that patterns and globs do not enter, beside those that begin with a dot.",
        ),
    },
    "python": {
        "index": Setting(
            "", "The package index, as pip's --index-url; what pip is configured for if not given."
        ),
        "packages": Setting(
            ("//...",),
            "Where pyproject.toml files are looked for whose packages others may require by name: patterns.",
        ),
        "combinations": Setting(
            (),
            "Systems that python.lock is for beside those of the bases, "
            "such as python 3.12, glibc 2.34, linux/arm64.",
        ),
        "bytecode": Setting(
            "",
            "The exact version of the Python that compiles what images on it hold, such as 3.12.7.",
        ),
    },
    "images": {
        "auto": Setting((), 'The images that base = "auto" chooses from: labels.'),
    },
    "registry": {
        "push": Setting((), "Where images are pushed: host/prefix, several for several regions."),
        "repository": Setting(
            "{package}/{name}",
            "The repository of an image below the prefix, made of its package and its name.",
        ),
        "mirrors": Setting(
            (),
            "Where images of a registry are read instead: host=other-host, or host=other-host/prefix.",
        ),
        "insecure": Setting(
            (), "Registries that are spoken to without TLS: hosts, with a port or for all ports."
        ),
    },
}

IMAGE_SETTINGS: Mapping[str, Setting] = {
    "ref": Setting("", "The image in its registry, such as public.ecr.aws/lambda/python:3.12."),
    "python": Setting(
        "", "The version of Python inside, such as 3.12; found by `lambdabuild lock` if not given."
    ),
    "libc": Setting(
        "", "The C library inside, such as glibc 2.34; found by `lambdabuild lock` if not given."
    ),
}
"""The keys of a table [images.NAME], which declares the external image @NAME."""
