"""Runs a Pulumi program with the real SDK and its mocks: PROGRAM preview|up CONFIG, a JSON object.

Prints a JSON object: what each resource was asked to be, by type, and the stack's outputs, null where unknown.
In a process of its own, since the SDK keeps its state for all of it.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from typing import Any

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.stack import run_pulumi_func


class Recording(mocks.Mocks):
    """The engine's part: takes every resource, and gives back what it was asked to be."""

    def __init__(self) -> None:
        self.asked: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.asked[args.typ] = dict(args.inputs)
        return f"{args.name}-id", {**args.inputs, "arn": f"arn:aws:iam::123456789012:role/{args.name}"}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


async def run(program: str, recording: Recording, *, preview: bool) -> dict[str, Any]:
    """Returns the stack's outputs."""
    mocks.set_mocks(recording, project="receipts", stack="dev", preview=preview)
    found: dict[str, Any] = {}

    async def exported() -> None:
        runpy.run_path(program, run_name="__main__")
        root = pulumi.runtime.get_root_resource()
        assert root is not None
        for name, output in root.outputs.items():  # type: ignore[attr-defined]
            value = pulumi.Output.from_input(output)
            found[name] = await value.future() if await value.is_known() else None

    await run_pulumi_func(exported)
    return found


def main(program: str, command: str, config: str) -> None:
    pulumi.runtime.set_all_config({f"receipts:{key}": value for key, value in json.loads(config).items()})
    recording = Recording()
    try:
        outputs = asyncio.run(run(program, recording, preview=command == "preview"))
    except pulumi.RunError as error:  # Pulumi's language host writes these without a traceback
        sys.exit(str(error))
    print(json.dumps({"asked": recording.asked, "outputs": outputs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
