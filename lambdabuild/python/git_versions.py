"""Backends that ask git for a package's version, and how they are told it instead.

The directory in which a wheel is built has no history: a version comes from an
attribute, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping

_VARIABLES: Mapping[str, str] = {
    "hatch-vcs": "SETUPTOOLS_SCM_PRETEND_VERSION",  # it stands on setuptools-scm
    "pdm-backend": "PDM_BUILD_SCM_VERSION",
    "poetry-dynamic-versioning": "POETRY_DYNAMIC_VERSIONING_BYPASS",
    "setuptools-scm": "SETUPTOOLS_SCM_PRETEND_VERSION",
}
"""Build requirement -> the environment variable that holds the version for it."""


def version_variable(requirement: str) -> str | None:
    """Returns the variable by which the build requirement of that name takes a version, if it has one."""
    return _VARIABLES.get(requirement)
