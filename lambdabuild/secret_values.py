"""The values of secrets, read on this machine when a step needs them, and kept nowhere.

No message of an error has a value, or a part of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lambdabuild.errors import UserError
from lambdabuild.workspace import Secret

MAX_BYTES = 64 * 1024
"""More than Secrets Manager keeps of one, so that no secret is read in part."""


def read(secret: Secret, environ: Mapping[str, str]) -> bytes:
    """Returns the value: that of the variable, if it is set, else what the file holds.

    Raises UserError where neither gives one.
    """
    if secret.env and environ.get(secret.env):
        return environ[secret.env].encode(errors="surrogateescape")
    if secret.file:
        return _from_file(secret, environ)
    if secret.env:
        raise UserError(
            f"the secret {secret.id!r} is in the variable {secret.env}, which is not set",
            at=secret.at,
            hint=f"export {secret.env}, or add file = … to [secrets.{secret.id}]",
        )
    raise UserError(
        f"the secret {secret.id!r} has nothing but an arn, which builds on this machine do not ask",
        at=secret.at,
        hint=f"set env or file in [secrets.{secret.id}] to build here, or say --executor codebuild",
    )


def _from_file(secret: Secret, environ: Mapping[str, str]) -> bytes:
    path = Path(secret.file)
    if secret.file.startswith("~/") and environ.get("HOME"):
        path = Path(environ["HOME"], secret.file[2:])
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no path"
        raise UserError(
            f"the secret {secret.id!r} is in {secret.file}, which cannot be read: {reason}",
            at=secret.at,
            hint="create the file, or correct its path",
        ) from None
    if not data or len(data) > MAX_BYTES:
        problem = "is empty" if not data else "has more than 64 KiB"
        raise UserError(
            f"the secret {secret.id!r} is in {secret.file}, which {problem}",
            at=secret.at,
            hint="put the value alone into it",
        )
    return data
