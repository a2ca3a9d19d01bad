"""examples/receipts: three functions of two images, brought to their code and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.cloud.aws import Cloud
from tests.cloud.conftest import Mall
from tests.cloud.example import EXAMPLE
from tests.cloud.remote import Ran, Team

FUNCTIONS = ("list-receipts-dev", "count-receipts-dev", "process-receipt-dev")
PATTERN = "//infra/..."


def example(cloud: Cloud, mall: Mall, directory: Path) -> Team:
    """Returns the example with a registry and a store, as a team that deploys has it."""
    place = cloud.place()
    team = Team(cloud, place, directory / "w", mall.caches, {})
    ignored = shutil.ignore_patterns("lambdabuild-out", "__pycache__")
    shutil.copytree(EXAMPLE, team.root, ignore=ignored, dirs_exist_ok=True)
    settings = f'[registry]\npush = ["{mall.registry.host}/receipts"]\n[store]\nremote = "{place.store}"\n'
    team.write({"WORKSPACE.toml": f"{(EXAMPLE / 'WORKSPACE.toml').read_text()}\n{settings}"})
    return team


def answer(cloud: Cloud, name: str) -> Any:
    event = json.dumps({"receipt_id": 7})
    return json.load(cloud.client("lambda").invoke(FunctionName=name, Payload=event)["Payload"])


def statuses(ran: Ran) -> dict[str, str]:
    assert ran.code == 0, ran.err
    return {each["function"]: each["status"] for each in ran.json["functions"]}


def test_the_example_is_deployed_left_alone_and_put_back(cloud: Cloud, mall: Mall, tmp_path: Path) -> None:
    team = example(cloud, mall, tmp_path)
    for name in FUNCTIONS:
        cloud.functions.create(name, mall.image)
    assert statuses(team.run("deploy", PATTERN, "--json")) == dict.fromkeys(FUNCTIONS, "deployed")
    assert answer(cloud, "list-receipts-dev")["table"] == "receipts"
    assert answer(cloud, "count-receipts-dev") == {"receipts": 2}
    assert answer(cloud, "process-receipt-dev")["adds_up"] is True
    assert statuses(team.run("deploy", PATTERN, "--json")) == dict.fromkeys(FUNCTIONS, "unchanged")
    handler = team.root / "infra/list_receipts/handler.py"
    handler.write_text(handler.read_text().replace("len(load_receipts())", "-1"))
    again = statuses(team.run("deploy", PATTERN, "--json"))
    assert again == {**dict.fromkeys(FUNCTIONS, "deployed"), "process-receipt-dev": "unchanged"}
    assert answer(cloud, "count-receipts-dev") == {"receipts": -1}
    listed = team.run("status", PATTERN, "--json")
    assert {each["state"] for each in listed.json["functions"]} == {"current"}
    assert statuses(team.run("deploy", "--rollback", "--json")).keys() == set(FUNCTIONS[:2])
    assert answer(cloud, "count-receipts-dev") == {"receipts": 2}
    states = {
        each["function"]: each["state"] for each in team.run("status", PATTERN, "--json").json["functions"]
    }
    assert states == {**dict.fromkeys(FUNCTIONS[:2], "differs"), FUNCTIONS[2]: "current"}
