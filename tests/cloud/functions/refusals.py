"""How Lambda says no: codes, statuses and sentences of its API."""

from __future__ import annotations

import json

from tests.oci.registry.server import Reply


class Refusal(Exception):
    """An error of the protocol (rest-json: the code is in a header)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def reply(self) -> Reply:
        body = json.dumps({"Type": "User", "message": self.message}).encode()
        return Reply(self.status, body, {"Content-Type": "application/json", "x-amzn-ErrorType": self.code})


def invalid(message: str) -> Refusal:
    return Refusal(400, "InvalidParameterValueException", message)


def denied(action: str, arn: str, who: str) -> Refusal:
    text = (
        f"User: {who} is not authorized to perform: {action} on resource: {arn} "
        "because no identity-based policy allows the action"
    )
    return Refusal(403, "AccessDeniedException", text)


def not_found(message: str) -> Refusal:
    return Refusal(404, "ResourceNotFoundException", message)


def conflict(message: str) -> Refusal:
    return Refusal(409, "ResourceConflictException", message)


def outdated(operation: str) -> Refusal:
    text = (
        "The Revision Id provided does not match the latest Revision Id. "
        f"Call the {operation} API to retrieve the latest Revision Id"
    )
    return Refusal(412, "PreconditionFailedException", text)


def too_many() -> Refusal:
    return Refusal(429, "TooManyRequestsException", "Rate exceeded")
