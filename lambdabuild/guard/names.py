"""What a file's name says: that it is one which programs keep credentials in."""

from __future__ import annotations

import re

from lambdabuild.guard.kinds import CREDENTIALS_FILE, ENV_FILE

_SAMPLES = frozenset({"default", "defaults", "dist", "example", "sample", "template", "tpl"})

_CREDENTIALS = re.compile(
    r"(?:.*/)?(?:"
    r"\.netrc|_netrc|\.pypirc|\.pgpass|\.git-credentials|\.htpasswd"
    r"|\.aws/credentials|\.docker/config\.json|\.ssh/id_[^/.]+"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)"
    r"|[^/]*\.(?:p12|pfx|kdbx)"
    r")",
    re.IGNORECASE,
)


def kind_of_name(path: str) -> str | None:
    """Returns the kind of what a file of that path is sure to hold, or None."""
    first, *more = path.rpartition("/")[2].lower().removeprefix(".").split(".")
    if path.rpartition("/")[2].startswith(".") and first == "env" and not _SAMPLES & set(more):
        return ENV_FILE
    return CREDENTIALS_FILE if _CREDENTIALS.fullmatch(path) else None
