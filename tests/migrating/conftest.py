"""The base of tests/external that starts as AWS's do."""

from tests.external.conftest import stand_in

__all__ = ["stand_in"]
