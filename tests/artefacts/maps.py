"""Artefacts to write down: the vocabulary of these tests."""

from __future__ import annotations

from hypothesis import strategies as st

from lambdabuild.artefacts.artefact import Artefact
from lambdabuild.artefacts.names import name_of
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.label import EXTERNAL, Label, name_problem, package_problem
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.registry.reference import Reference

_parts = st.text("aZ09._-+é/", min_size=1, max_size=8)
labels = st.builds(Label, _parts | st.just(""), _parts).filter(
    lambda label: package_problem(label.package) is None and name_problem(label.name) is None
) | st.builds(Label, st.just(EXTERNAL), st.from_regex(r"[a-z0-9][a-z0-9._-]{0,5}", fullmatch=True))
platforms = st.sampled_from(["linux/amd64", "linux/arm64"])
ids = st.builds(ConfiguredLabel, labels, platforms)


def artefact(
    label: Label,
    platform: str = "linux/arm64",
    *,
    name: str = "",
    digest: str | None = None,
    functions: dict[str, str] | None = None,
) -> Artefact:
    key = Key("0123456789abcdef" * 4)
    return Artefact(
        name or name_of(label),
        ConfiguredLabel(label, platform),
        key,
        Reference("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "shop/image", "b3-" + key[:32]),
        OciDigest(digest) if digest else None,
        functions or {},
    )
