"""The registry of tests/external, and the base in it that starts as AWS's do."""

from tests.external.conftest import registry, stand_in

__all__ = ["registry", "stand_in"]
