"""How the service says no."""

from __future__ import annotations


class Refusal(Exception):
    """An error of the protocol. code: as in the service model, e.g. "InvalidInputException"."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> Refusal:
    return Refusal("InvalidInputException", message)


def not_found(message: str) -> Refusal:
    return Refusal("ResourceNotFoundException", message)


def limit(message: str) -> Refusal:
    return Refusal("AccountLimitExceededException", message)
