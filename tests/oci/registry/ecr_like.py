"""A front before a real registry that answers where ECR differs.

By what users report of it: layers that a manifest lacks are BLOB_UPLOAD_UNKNOWN,
with the digests in the message; an immutable tag is TAG_INVALID, even for the
same image; repositories are not made by pushing; PATCH is answered by 201, and
the upload is of no use afterwards; an answer to HEAD has no Docker-Content-Digest.
"""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import replace

from .proxy import Forward, Proxy
from .server import Reply, Request, error

_NAME = re.compile(r"/v2/(.+?)/(manifests|blobs|tags)/")


class EcrLike(Proxy):
    """ECR with immutable tags. `create` makes a repository."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self._repositories: set[str] = set()
        self.plan("PATCH", "/", lambda request, forward: Reply(201), times=-1)
        self.plan("PUT", "/manifests/", self._put_manifest, times=-1)
        for method in ("GET", "POST", "PUT", "DELETE"):
            self.plan(method, "/", self._any, times=-1)
        self.plan("HEAD", "/", self._head, times=-1)

    def create(self, repository: str) -> None:
        self._repositories.add(repository)

    def _any(self, request: Request, forward: Forward) -> Reply:
        found = _NAME.match(request.path)
        if found and found[1] not in self._repositories:
            message = f"The repository with name '{found[1]}' does not exist in the registry"
            return error(404, "NAME_UNKNOWN", message)
        return forward(request)

    def _head(self, request: Request, forward: Forward) -> Reply:
        reply = self._any(request, forward)
        kept = {name: value for name, value in reply.headers.items() if name != "Docker-Content-Digest"}
        return replace(reply, headers=kept)

    def _put_manifest(self, request: Request, forward: Forward) -> Reply:
        tag = request.path.rpartition("/")[2]
        if ":" not in tag and self._exists(request):
            message = f"The image tag '{tag}' already exists and cannot be overwritten: it is immutable."
            return error(400, "TAG_INVALID", message)
        reply = self._any(request, forward)
        if reply.status != 400:
            return reply
        missing = re.findall(r"sha256:[0-9a-f]{64}", json.dumps(json.loads(reply.body)))
        listed = ", ".join(dict.fromkeys(missing))
        return error(
            404, "BLOB_UPLOAD_UNKNOWN", f"Layers with digests '[{listed}]' required do not exist", {}
        )

    def _exists(self, request: Request) -> bool:
        connection = http.client.HTTPConnection(self.upstream)
        connection.request("HEAD", request.path, headers={"Accept": request.headers["content-type"]})
        with connection.getresponse() as answer:
            found = answer.status == 200
        connection.close()
        return found
