"""The cloud of tests/cloud, for the tests of what speaks to it."""

from __future__ import annotations

from tests.cloud.conftest import cloud, whole_cloud

__all__ = ["cloud", "whole_cloud"]
