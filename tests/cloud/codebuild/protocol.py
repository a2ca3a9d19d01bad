"""AWS JSON 1.1 over HTTP: the operation in X-Amz-Target, one JSON object each way."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping

from tests.loopback import Handler, Loopback

from .model import Document, Model
from .refusal import Refusal

Operation = Callable[[Document], Document]


class JsonServer(Loopback):
    """Serves `operations` on a free port of 127.0.0.1, each request and answer checked against `model`."""

    def __init__(self, model: Model, operations: Mapping[str, Operation]) -> None:
        class Answering(Handler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                target = self.headers.get("X-Amz-Target", "")
                try:
                    status, document = 200, _answer(model, operations, target, body)
                except Refusal as no:
                    status, document = 400, {"__type": no.code, "message": no.message}
                except AssertionError as bug:
                    status, document = 500, {"__type": "InternalServerError", "message": f"a bug: {bug}"}
                _send(self, status, json.dumps(document).encode())

        super().__init__(Answering)


def _answer(model: Model, operations: Mapping[str, Operation], target: str, body: bytes) -> Document:
    name = target.removeprefix(model.target_prefix)
    if name == target or name not in operations:
        raise Refusal("UnknownOperationException", target)
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise Refusal("SerializationException", str(error)) from None
    return model.check_answer(name, operations[name](model.check_request(name, document)))


def _send(handler: Handler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", "application/x-amz-json-1.1")
    handler.send_header("x-amzn-RequestId", str(uuid.uuid4()))
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
