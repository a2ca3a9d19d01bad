"""A workspace whose images are deployed to functions of the stand-in, and what those answer."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cloud import clients
from tests.cloud.aws import Cloud
from tests.cloud.clients import Client
from tests.cloud.functions import Function
from tests.cloud.proxy import Proxy
from tests.cloud.remote import Ran, Team

PYTHON = 'host_python_image(name = "python")\n'
NO_PYTHON = 'base_image(name = "python", base = "scratch", srcs = ["base.txt"])\n'
BUILD = """\
lambda_image(
    name = "shop",
    base = ":python",
    srcs = ["shop.py"],
    handler = "shop.sell",
    functions = {"STACK-sell-{stage}": "shop.sell", "STACK-buy-{stage}": "shop.buy"},
)
lambda_image(
    name = "post",
    base = ":python",
    srcs = ["post.py"],
    functions = {"STACK-send-{stage}": "post.send"},
)
"""
SHOP = """\
def sell(event, context):
    return "sell NUMBER"
def buy(event, context):
    return "buy NUMBER"
"""
POST = """\
def send(event, context):
    return "send NUMBER"
"""
FUNCTIONS = ("sell", "buy", "send")


@dataclass
class Shop:
    """Two images, three functions, all of their own: no other test knows them.

    name:      what their names begin with.
    answering: whether there is a Python in the images. It takes most of the time that a push takes.
    """

    team: Team
    name: str
    registry: Proxy
    answering: bool = True

    @property
    def cloud(self) -> Cloud:
        return self.team.cloud

    def write(self, number: int, **changes: str) -> None:
        """Writes sources whose handlers answer with `number`; changes: names of files without .py -> text."""
        texts = {"shop": SHOP, "post": POST, **changes}
        files = {f"{name}.py": text.replace("NUMBER", str(number)) for name, text in texts.items()}
        base = PYTHON if self.answering else NO_PYTHON
        self.team.write({"BUILD": base + BUILD.replace("STACK", self.name), "base.txt": "base\n", **files})

    def function(self, what: str) -> Function:
        return self.cloud.functions[self.function_name(what)]

    def function_name(self, what: str) -> str:
        return f"{self.name}-{what}-dev"

    def create(self, uri: str, **changes: Any) -> None:
        """Makes the functions, as infrastructure code does: with some image."""
        for what in FUNCTIONS:
            self.cloud.functions.create(self.function_name(what), uri, **changes)

    def begin(self, *arguments: str, client: str = "alice", **more: Any) -> Client:
        return clients.begin(self.team, *arguments, client=client, **more)

    def deploy(self, *arguments: str, client: str = "alice") -> Ran:
        return self.begin("deploy", *(arguments or ("//...",)), "--json", client=client).ended()

    def run(self, *arguments: str, client: str = "alice") -> Ran:
        return self.begin(*arguments, client=client).ended()

    def statuses(self, ran: Ran) -> dict[str, str]:
        """Returns what became of each function, by its short name."""
        found = {each["function"]: each["status"] for each in ran.json["functions"]}
        return {
            what: found[self.function_name(what)] for what in FUNCTIONS if self.function_name(what) in found
        }

    def answers(self, qualifier: str | None = None) -> dict[str, Any]:
        """Returns what each function answers."""
        more = {"Qualifier": qualifier} if qualifier else {}
        api = self.cloud.client("lambda", "admin")
        return {
            what: json.load(
                api.invoke(FunctionName=self.function_name(what), Payload=b"{}", **more)["Payload"]
            )
            for what in FUNCTIONS
        }

    def states(self) -> dict[str, tuple[object, ...]]:
        """Returns what each function is: the digest of its image, and its command."""
        return {
            what: (function.latest.digest, *function.latest.image_config.get("Command", ()))
            for what in FUNCTIONS
            if (function := self.function(what))
        }


def new_shop(cloud: Cloud, registry: Proxy, directory: Path, caches: Path, *, answering: bool = True) -> Shop:
    """Returns a workspace of its own; its functions are not there yet.

    caches: where those of its clients are; shared by tests, the base is made once.
    """
    lines = f'[registry]\npush = ["{registry.host}/{directory.name}"]\n[define]\nstage = "dev"\n'
    team = Team(cloud, cloud.place(), directory / "w", caches, {}, lines)
    workspace = team.workspace().replace('default = "codebuild"', 'default = "local"')
    team.write({"WORKSPACE.toml": workspace.replace('["linux/amd64"]', '["host"]')})
    shop = Shop(team, directory.name, registry, answering)
    shop.write(1)
    return shop


def all_answer(number: int) -> Mapping[str, str]:
    return {what: f"{what} {number}" for what in FUNCTIONS}


def once(do: Callable[[], object]) -> Callable[[], None]:
    """Returns what does it at the first call, and nothing at others."""
    done: list[bool] = []

    @functools.wraps(do)
    def first() -> None:
        if not done:
            done.append(True)
            do()

    return first
