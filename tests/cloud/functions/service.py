"""Lambda's operations over HTTP, and the ways in which a test makes them misbehave.

Paths and fields: the API reference, "Actions"; protocol rest-json.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.cloud.asked import access_key
from tests.oci.registry.proxy import forwarded
from tests.oci.registry.server import Reply, Request, Server

from .function import LATEST, Alias, Function, Version
from .images import Images
from .refusals import Refusal, conflict, denied, invalid, not_found

Document = Mapping[str, Any]

PAGE = 5
"""Functions on a page of ListFunctions; AWS has 50."""

_PATH = re.compile(
    r"/2015-03-31/functions(?:/(?P<name>[^/]+)(?:/(?P<what>code|configuration|versions|aliases|invocations)"
    r"(?:/(?P<alias>[^/]+))?)?)?/?"
)
_OPERATIONS: Mapping[tuple[str, str, bool], str] = {
    ("POST", "", False): "CreateFunction",
    ("GET", "", False): "GetFunction",
    ("GET", "/", False): "ListFunctions",
    ("GET", "configuration", False): "GetFunctionConfiguration",
    ("PUT", "code", False): "UpdateFunctionCode",
    ("PUT", "configuration", False): "UpdateFunctionConfiguration",
    ("POST", "versions", False): "PublishVersion",
    ("GET", "versions", False): "ListVersionsByFunction",
    ("POST", "aliases", False): "CreateAlias",
    ("GET", "aliases", False): "ListAliases",
    ("GET", "aliases", True): "GetAlias",
    ("PUT", "aliases", True): "UpdateAlias",
    ("POST", "invocations", False): "Invoke",
}


@dataclass(frozen=True)
class _Asked:
    """What a request says beside the function's name. alias: "" for none."""

    document: Document
    qualifier: str | None
    alias: str


class Functions(Server):
    """Serves on a free port of 127.0.0.1 from entry to exit.

    upstream: moto's, "127.0.0.1:port".

    Set by tests: pending, how many times an update is asked after before it is over, -1 for ever; failures,
    the (code, reason) that the next update of a function fails for; denied, (access key, action) pairs.
    """

    def __init__(self, account: str, region: str, directory: Path, upstream: str) -> None:
        super().__init__(self._respond)
        self._where = f"arn:aws:lambda:{region}:{account}:function"
        self._upstream = upstream
        self._images = Images(directory)
        self._functions: dict[str, Function] = {}
        self._turn = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Undoes what tests set. Functions stay."""
        self.pending = 1
        self.failures: dict[str, tuple[str, str]] = {}
        self.denied: set[tuple[str, str]] = set()

    def create(self, name: str, uri: str = "", **changes: Any) -> Function:
        """Makes a function; without an image one of package type Zip. changes: of Version."""
        architectures = tuple(changes.pop("architectures", ("x86_64",)))
        digest = self._images.resolve(uri, architectures) if uri else None
        with self._turn:
            made = Function(
                f"{self._where}:{name}", Version(uri, digest, architectures=architectures, **changes)
            )
            self._functions[name] = made
        return made

    def __getitem__(self, name: str) -> Function:
        return self._functions[name]

    def _respond(self, request: Request) -> Reply:
        self.requests.clear()
        found = _PATH.fullmatch(unquote(request.path))
        name, what, alias = found.group("name", "what", "alias") if found else (None, None, None)
        if found and request.method == "GET" and name is None:
            what = "/"  # all functions
        operation = _OPERATIONS.get((request.method, what or "", bool(alias)))
        if operation is None or (name is None) != (operation in ("CreateFunction", "ListFunctions")):
            return forwarded(self._upstream, request)
        try:
            if operation == "Invoke":
                return self._invoke(str(name), request)
            asked = _Asked(json.loads(request.body() or b"{}"), _qualifier(request), alias or "")
            with self._turn:
                return self._answer(operation, request, str(name), asked)
        except Refusal as no:
            return no.reply()

    def _answer(self, operation: str, request: Request, name: str, asked: _Asked) -> Reply:
        self._allow(request, operation, name)
        if operation == "CreateFunction":
            return _json(201, self._create(asked.document))
        if operation == "ListFunctions":
            return _json(200, self._list(request))
        operations = {
            "GetFunction": self._get,
            "GetFunctionConfiguration": lambda function, asked: self._get(function, asked)["Configuration"],
            "UpdateFunctionCode": self._update_code,
            "UpdateFunctionConfiguration": self._update_configuration,
            "PublishVersion": self._publish,
            "ListVersionsByFunction": self._list_versions,
            "ListAliases": _list_aliases,
            "GetAlias": lambda function, asked: _alias(function, asked.alias, function.alias(asked.alias)),
            "CreateAlias": _create_alias,
            "UpdateAlias": _update_alias,
        }
        return _json(200, operations[operation](self._find(name), asked))

    def _get(self, function: Function, asked: _Asked) -> Document:
        function.look()
        return self._view(function, asked.qualifier)

    def _publish(self, function: Function, asked: _Asked) -> Document:
        function.check(asked.document.get("RevisionId"))
        if asked.document.get("CodeSha256") not in (None, function.latest.code_sha256):
            raise invalid("CodeSHA256 is different from current CodeSHA256 in $LATEST.")
        return dict(self._view(function, function.publish())["Configuration"])

    def _list_versions(self, function: Function, asked: _Asked) -> Document:
        numbers = (LATEST, *function.versions)
        return {"Versions": [self._view(function, each)["Configuration"] for each in numbers]}

    def _list(self, request: Request) -> Document:
        """Returns a page of all functions, in all versions if that is asked for."""
        every = request.query.get("FunctionVersion") == ["ALL"]
        found = [
            self._view(each, number)["Configuration"]
            for each in self._functions.values()
            for number in (LATEST, *(each.versions if every else ()))
        ]
        start = int(request.query.get("Marker", ["0"])[0])
        more = {"NextMarker": str(start + PAGE)} if start + PAGE < len(found) else {}
        return {"Functions": found[start : start + PAGE], **more}

    def _create(self, document: Document) -> Document:
        name = document["FunctionName"]
        if name in self._functions:
            raise conflict(f"Function already exist: {name}")
        made = self.create(
            name,
            document["Code"].get("ImageUri", ""),
            architectures=document.get("Architectures", ("x86_64",)),
            image_config=document.get("ImageConfig", {}),
            environment=document.get("Environment", {}).get("Variables", {}),
        )
        return dict(self._view(made, None)["Configuration"])

    def _update_code(self, function: Function, asked: _Asked) -> Document:
        document = asked.document
        function.check(document.get("RevisionId"))
        if not function.latest.uri:
            raise invalid("Please do not provide ImageUri when updating a function with packageType Zip.")
        architectures = tuple(document.get("Architectures", function.latest.architectures))
        digest = self._images.resolve(document["ImageUri"], architectures)
        if not document.get("DryRun"):
            changes = {"uri": document["ImageUri"], "digest": digest, "architectures": architectures}
            function.change(self.pending, self.failures.pop(function.name, None), **changes)
        return dict(self._view(function, None)["Configuration"])

    def _update_configuration(self, function: Function, asked: _Asked) -> Document:
        document = asked.document
        function.check(document.get("RevisionId"))
        changes: dict[str, Any] = {}
        if "ImageConfig" in document:
            changes["image_config"] = {name: each for name, each in document["ImageConfig"].items() if each}
        if "Environment" in document:
            changes["environment"] = document["Environment"]["Variables"]
        function.change(self.pending, None, **changes)
        return dict(self._view(function, None)["Configuration"])

    def _invoke(self, name: str, request: Request) -> Reply:
        with self._turn:
            number, version = self._find(name).resolve(_qualifier(request))
        if not version.uri:
            raise invalid("only functions of images are started here")
        answer = self._images.invoke(version, request.body() or b"{}")
        headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": number}
        if answer.kind != "response":
            headers["X-Amz-Function-Error"] = "Unhandled"
        return Reply(200, answer.payload, headers)

    def _find(self, name: str) -> Function:
        found = self._functions.get(name.rpartition(":function:")[2])
        if found is None:
            raise not_found(f"Function not found: {self._where}:{name}")
        return found

    def _allow(self, request: Request, operation: str, name: str) -> None:
        key, action = access_key(request), f"lambda:{operation}"
        if (key, action) in self.denied:
            raise denied(action, f"{self._where}:{name}", f"arn:aws:iam::user/{key.lower()}")

    def _view(self, function: Function, qualifier: str | None) -> dict[str, Any]:
        """Returns what GetFunction shows."""
        number, version = function.resolve(qualifier)
        latest = number == LATEST
        configuration: dict[str, Any] = {
            "FunctionName": function.name,
            "FunctionArn": function.arn if qualifier is None else f"{function.arn}:{qualifier}",
            "Version": number,
            "PackageType": "Image" if version.uri else "Zip",
            "CodeSha256": version.code_sha256,
            "Architectures": list(version.architectures),
            "RevisionId": function.revision if latest else f"revision-of-{number}",
            "State": "Active",
            "LastUpdateStatus": function.status if latest else "Successful",
            "Environment": {"Variables": dict(version.environment)},
        }
        if latest and function.status == "Failed" and function.failure:
            code, reason = function.failure
            configuration |= {"LastUpdateStatusReasonCode": code, "LastUpdateStatusReason": reason}
        if version.image_config:
            configuration["ImageConfigResponse"] = {"ImageConfig": dict(version.image_config)}
        code_document: dict[str, Any] = {"RepositoryType": "S3"}
        if version.uri:
            name = version.uri.partition("@")[0]
            tagged = name.rfind(":") > name.rfind("/")
            resolved = f"{name.rpartition(':')[0] if tagged else name}@{version.digest}"
            code_document = {"RepositoryType": "ECR", "ImageUri": version.uri, "ResolvedImageUri": resolved}
        return {"Configuration": configuration, "Code": code_document}


def _alias(function: Function, name: str, alias: Alias) -> Document:
    return {
        "AliasArn": f"{function.arn}:{name}",
        "Name": name,
        "FunctionVersion": alias.version,
        "Description": "",
        "RevisionId": alias.revision,
        **({"RoutingConfig": alias.routing} if alias.routing else {}),
    }


def _list_aliases(function: Function, asked: _Asked) -> Document:
    return {"Aliases": [_alias(function, name, each) for name, each in function.aliases.items()]}


def _create_alias(function: Function, asked: _Asked) -> Document:
    name = asked.document["Name"]
    return _alias(function, name, function.put_alias(name, asked.document, new=True))


def _update_alias(function: Function, asked: _Asked) -> Document:
    return _alias(function, asked.alias, function.put_alias(asked.alias, asked.document, new=False))


def _qualifier(request: Request) -> str | None:
    return request.query.get("Qualifier", [None])[0]


def _json(status: int, document: Document) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json"})
