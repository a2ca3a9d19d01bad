"""Images as Pulumi components: `pip install 'lambdabuild[pulumi]'`.

    from lambdabuild.pulumi import Image

    image = Image("receipts", "//infra/list_receipts:image", workspace="../..")
    aws.lambda_.Function("receipts", package_type="Image", image_uri=image.uri, …)

A preview builds nothing, pushes nothing and asks nobody: the URI follows from
hashes. An update builds what is dirty and pushes what the registry lacks before
the URI is given to anything. Both give one URI, that of the hash's tag, since
Pulumi takes what a preview knows for what the update will do
(docs/decisions/0030-pulumi-previews-by-tag.md).

Each image is a `lambdabuild outputs` of its own, in a process of its own:
evaluation forks, which a process with Pulumi's threads must not. Absent:
functions, roles, repositories, which Pulumi's own packages make.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from lambdabuild.errors import UserError
from lambdabuild.label import parse_label, parse_pattern

try:
    import pulumi
except ImportError as error:
    raise ImportError(
        "lambdabuild.pulumi needs Pulumi's SDK: pip install 'lambdabuild[pulumi]'", name=error.name
    ) from error

TYPE: Final = "lambdabuild:index:Image"

_BUILDING = threading.Lock()
"""Held by the one build that is under way: a second would run the same dirty actions beside it."""


class Image(pulumi.ComponentResource):
    """The image of a target, in the registry before anything uses it.

    uri:        by the tag of its hash, "host/repository:b3-…": equal in a preview and the update after it.
    digest_uri: by its digest, "host/repository@sha256:…"; unknown in a preview.
    digest:     of its manifest, "sha256:…"; unknown in a preview.
    hash:       of the target, 64 hex digits.
    architecture: in Lambda's words: "x86_64" or "arm64".
    functions:  those that the target says it serves, name -> handler.
    """

    uri: pulumi.Output[str]
    digest_uri: pulumi.Output[str]
    digest: pulumi.Output[str]
    hash: pulumi.Output[str]
    architecture: pulumi.Output[str]
    functions: pulumi.Output[Mapping[str, str]]

    def __init__(
        self,
        name: str,
        label: str,
        *,
        workspace: str | os.PathLike[str] = ".",
        to: str | None = None,
        platform: str | None = None,
        config: Sequence[str] = (),
        define: Mapping[str, str] | None = None,
        executor: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Raises pulumi.RunError for a label that is none.

        label:     of the image, from the workspace's root: "//infra/list_receipts:image".
        workspace: a directory of the workspace, from where the program runs.
        to:        the registry, "host/prefix"; [registry] push of WORKSPACE.toml if not given.
        platform:  which of the target's, if it has several: "linux/arm64".
        config:    tables [config.NAME] of WORKSPACE.toml to lay over the rest.
        define:    variables in names of functions, over those of [define].
        executor:  "local" or "codebuild"; [executor] default if not given.
        """
        super().__init__(TYPE, name, {}, opts)
        preview = pulumi.runtime.is_dry_run()
        arguments = [_checked(label), "--directory", os.fspath(workspace)]
        arguments += [f"--to={to}"] if to else []
        arguments += [f"--platform={platform}"] if platform else []
        arguments += [f"--config={each}" for each in config]
        arguments += [f"--define={key}={value}" for key, value in (define or {}).items()]
        arguments += ["--predict"] if preview else ["--push"]
        arguments += [f"--executor={executor}"] if executor and not preview else []
        found: pulumi.Output[dict[str, Any]] = pulumi.Output.from_input(self._ask(arguments))
        self.uri = found.apply(_key("tag_uri"))
        self.hash = found.apply(_key("hash"))
        self.architecture = found.apply(_key("architecture"))
        self.functions = found.apply(_key("functions"))
        self.digest = found.apply(_key("digest", known=not preview))
        self.digest_uri = found.apply(_key("uri", known=not preview))
        self.register_outputs({"uri": self.uri, "hash": self.hash, "functions": self.functions})

    async def _ask(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Returns what the map says of the one image; raises pulumi.RunError for what went wrong."""
        images, said = await asyncio.to_thread(_outputs, arguments)
        if said:
            pulumi.log.info(said, self)
        if len(images) != 1:
            raise pulumi.RunError(
                f"{arguments[0]} is built for several platforms: {', '.join(images)}\n"
                '  hint: say which, platform="linux/arm64"'
            )
        return next(iter(images.values()))


def _outputs(arguments: Sequence[str]) -> tuple[dict[str, dict[str, Any]], str]:
    """Returns the images that `lambdabuild outputs` tells of, and what it said beside them."""
    command = [sys.executable, "-m", "lambdabuild", "outputs", *arguments]
    with _BUILDING:
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, encoding="utf-8"
        )
    if ran.returncode:
        raise pulumi.RunError(ran.stderr.strip() or f"lambdabuild ended with exit code {ran.returncode}")
    images: dict[str, dict[str, Any]] = json.loads(ran.stdout)["images"]
    return images, ran.stderr.strip()


def _checked(label: str) -> str:
    """Returns the label in full; raises pulumi.RunError if it is none, or a pattern."""
    try:
        parsed = parse_label(label)
        if parse_pattern(str(parsed)).wildcard:
            raise UserError(f"{label!r} names all targets of a package", hint="name one image")
        return str(parsed)
    except UserError as error:
        hint = f"\n  hint: {error.hint}" if error.hint else ""
        raise pulumi.RunError(f"error: {error.message}{hint}") from None


def _key(name: str, *, known: bool = True) -> Callable[[dict[str, Any]], Any]:
    """Returns what takes one value out of what is known of an image, or "not known yet"."""
    return lambda image: image[name] if known else pulumi.UNKNOWN
