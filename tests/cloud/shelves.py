"""What the registry of a shop holds, asked of the registry itself."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.cloud.deploys import Shop

REPOSITORIES = ("shop", "post", "python")
_ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


def tagged(shop: Shop, repositories: tuple[str, ...] = REPOSITORIES) -> dict[str, str]:
    """Returns the digests of all tags of a shop's repositories."""
    found = {}
    for repository in repositories:
        url = f"{shop.registry.url}/v2/{shop.name}/{repository}"
        for tag in _tags(url):
            with urlopen(Request(f"{url}/manifests/{tag}", headers={"Accept": _ACCEPT})) as answer:
                found[tag] = answer.headers["Docker-Content-Digest"]
    return found


def _tags(url: str) -> list[str]:
    try:
        with urlopen(f"{url}/tags/list") as answer:
            return json.load(answer)["tags"] or []
    except HTTPError as error:
        if error.code == 404:  # nothing has been pushed there
            return []
        raise
