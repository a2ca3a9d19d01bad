"""The service model that botocore ships: what a request may hold, and what an answer must look like.

botocore's own validator leaves enumerations and upper bounds to the service, so they are checked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from .refusal import Refusal, invalid

Document = dict[str, Any]


class Model:
    """CodeBuild's operations and their shapes."""

    def __init__(self) -> None:
        self._service = botocore.session.get_session().get_service_model("codebuild")
        self.target_prefix = f"{self._service.metadata['targetPrefix']}."

    def input_shape(self, operation: str) -> Any:
        """Returns botocore's shape of a request. Raises Refusal for what is no operation."""
        return self._operation(operation).input_shape

    def check_request(self, operation: str, document: object) -> Document:
        """Returns the request. Raises Refusal if the service would not take it."""
        shape = self.input_shape(operation)
        if not isinstance(document, dict):
            raise Refusal("SerializationException", "the request is no JSON object")
        problems = [_report(shape, document), *_beyond(shape, document, operation)]
        if any(problems):
            raise invalid("; ".join(filter(None, problems)))
        return document

    def check_answer(self, operation: str, document: Document) -> Document:
        """Returns the answer; a stand-in that says what CodeBuild could not is a bug."""
        shape = self._operation(operation).output_shape
        # The model wants lists to have something in them, and the service does send empty ones.
        filled = {name: value for name, value in document.items() if value != []}
        problems = [_report(shape, filled), *_beyond(shape, document, operation)]
        assert not any(problems), problems
        return document

    def _operation(self, name: str) -> Any:
        if name not in self._service.operation_names:
            raise Refusal("UnknownOperationException", name)
        return self._service.operation_model(name)


def _report(shape: Any, document: Document) -> str:
    errors = ParamValidator().validate(document, shape)
    return str(errors.generate_report()) if errors.has_errors() else ""


def _beyond(shape: Any, value: Any, at: str) -> Iterator[str]:
    """Yields what is longer than allowed, or none of the words that are allowed."""
    most = shape.metadata.get("max")
    if most is not None and hasattr(value, "__len__") and len(value) > most:
        yield f"{at}: {len(value)} is more than {most}"
    if shape.type_name == "structure":
        for name, member in value.items():
            if name in shape.members:
                yield from _beyond(shape.members[name], member, f"{at}.{name}")
    elif shape.type_name == "list":
        for member in value:
            yield from _beyond(shape.member, member, at)
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{at}: {value!r} is none of {', '.join(shape.enum)}"
