"""Functions follow their images: deployed, left alone, put back, on a Lambda that runs them."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from tests.cloud.clients import Client
from tests.cloud.deploys import FUNCTIONS, POST, Shop, all_answer
from tests.cloud.faults import Rule, around


@pytest.fixture
def answering() -> bool:
    return False


@pytest.mark.parametrize("answering", [True])
def test_three_functions_of_two_images_answer_with_their_new_code_and_after_a_rollback_with_the_old(
    shop: Shop,
) -> None:
    ran = shop.deploy()
    assert ran.code == 0, ran.err
    assert shop.statuses(ran) == dict.fromkeys(FUNCTIONS, "deployed")
    assert shop.answers() == all_answer(1)
    shop.write(2)
    again = shop.deploy()
    assert again.code == 0, again.err
    assert shop.answers() == all_answer(2)
    back = shop.run("deploy", "--rollback", "--json")
    assert back.code == 0, back.err
    assert shop.statuses(back) == dict.fromkeys(FUNCTIONS, "deployed")
    assert shop.answers() == all_answer(1)
    twice = shop.run("deploy", "--rollback")
    assert twice.code == 0, twice.err
    assert set(shop.answers().values()) != set(all_answer(1).values())


def test_a_second_deploy_changes_nothing_and_keeps_no_record(shop: Shop) -> None:
    first = shop.deploy()
    assert first.code == 0, first.err
    shop.cloud.lambda_gate.reset()
    second = shop.deploy()
    assert second.code == 0, second.err
    assert shop.statuses(second) == dict.fromkeys(FUNCTIONS, "unchanged")
    assert second.json["id"] is None
    assert {each.method for each in shop.cloud.lambda_gate.requests} == {"GET"}


def test_status_says_what_runs_and_leads_from_a_function_to_its_target(shop: Shop) -> None:
    assert states_of(shop) == dict.fromkeys(FUNCTIONS, "unknown")
    first = shop.deploy()
    assert first.code == 0, first.err
    assert states_of(shop) == dict.fromkeys(FUNCTIONS, "current")
    shop.write(1, post=POST.replace("send NUMBER", "sent"))
    assert states_of(shop) == {"sell": "current", "buy": "current", "send": "differs"}
    ran = shop.run("status", "--function", shop.function_name("buy"), "--json")
    (found,) = ran.json["functions"]
    runs = {each["function"]: each["to"]["digest"] for each in first.json["functions"]}
    assert found["runs"]["digest"] == runs[shop.function_name("buy")] == shop.function("buy").latest.digest
    assert found["lineage"]["label"] == "//:shop"
    hashed = shop.run("hash", "//:shop", "--json").json
    assert found["lineage"]["hash"] in str(hashed)
    text = shop.run("status", "--function", shop.function_name("buy")).out
    assert "  file      shop.py\n" in text
    assert "  made of   //:python\n" in text


def states_of(shop: Shop) -> dict[str, str]:
    ran = shop.run("status", "//...", "--json")
    assert ran.code == 0, ran.err
    found = {each["function"]: each["state"] for each in ran.json["functions"]}
    return {what: found[shop.function_name(what)] for what in FUNCTIONS}


def test_a_plan_builds_pushes_and_changes_nothing(shop: Shop) -> None:
    assert shop.deploy("//:post").code == 0
    before = shop.states()
    shop.registry.reset()
    shop.cloud.lambda_gate.reset()
    shop.write(2)
    ran = shop.run("deploy", "--plan", "//...")
    assert ran.code == 0, ran.err
    assert ran.out.count("its image is not pushed yet") == 3
    assert "3 of 3 functions would change; nothing has been changed" in ran.err
    assert shop.states() == before
    assert {each.method for each in shop.registry.requests} <= {"GET", "HEAD"}
    assert {each.method for each in shop.cloud.lambda_gate.requests} == {"GET"}
    shop.write(1)
    planned = shop.run("deploy", "--plan", "//...", "--json").json["functions"]
    reasons = {each["function"]: each["reason"] for each in planned}
    assert reasons[shop.function_name("send")] is None


def test_killed_between_code_and_configuration_a_deploy_goes_on_where_it_was(shop: Shop) -> None:
    before = shop.states()
    clients: list[Client] = []
    ready = threading.Event()

    def kill() -> None:
        assert ready.wait(60)
        clients[0].kill()

    path = f"/{shop.function_name('buy')}/configuration"
    shop.cloud.lambda_gate.add(Rule(around(before=kill), method="PUT", path=path))
    clients.append(shop.begin("deploy", "//..."))
    ready.set()
    assert clients[0].ended().code == -signal.SIGKILL
    assert shop.states()["buy"] != before["buy"]
    again = shop.run("deploy", "//...")
    assert again.code == 0, again.err
    assert "which was cut off" in again.err
    assert states_of(shop) == dict.fromkeys(FUNCTIONS, "current")
    assert shop.run("deploy", "--rollback").code == 0
    assert shop.states() == before


def test_ctrl_c_waits_for_what_is_under_way_and_says_how_to_go_on(shop: Shop) -> None:
    before = shop.states()
    clients: list[Client] = []
    ready = threading.Event()

    def interrupt() -> None:
        assert ready.wait(60)
        clients[0].interrupt()
        time.sleep(0.5)

    rule = Rule(around(after=interrupt), method="PUT", path=f"/{shop.function_name('send')}/code", first=2)
    shop.cloud.lambda_gate.add(rule)
    clients.append(shop.begin("deploy", "//..."))
    ready.set()
    ran = clients[0].ended()
    assert ran.code == 130
    assert "lambdabuild deploy --rollback 2" in ran.err
    undo = ran.err.partition("--rollback ")[2].split()[0]
    back = shop.run("deploy", "--rollback", undo)
    assert back.code == 0, back.err
    assert shop.states() == before


def test_credentials_of_another_account_deploy_nothing(shop: Shop) -> None:
    text = (shop.team.root / "WORKSPACE.toml").read_text()
    shop.team.write({"WORKSPACE.toml": f'{text}\n[deploy]\naccount = "999999999999"\n'})
    ran = shop.run("deploy", "//...")
    assert ran.code == 2
    assert "these credentials are of the account 123456789012, and deploy.account is 999999999999" in ran.err
    assert shop.cloud.lambda_gate.requests == []


def test_another_stage_is_another_set_of_functions(shop: Shop) -> None:
    ran = shop.run("deploy", "//...", "--define", "stage=prod")
    assert ran.code == 2
    assert f"function:{shop.name}-" in ran.err
    assert "-prod" in ran.err
    assert "BUILD:" in ran.err


def test_a_push_records_what_its_images_were_made_of(shop: Shop) -> None:
    shop.write(3)
    pushed = shop.run("push", "//:shop", "--json")
    assert pushed.code == 0, pushed.err
    (image,) = (each for each in pushed.json["pushes"] if each["label"] == "//:shop")
    function = shop.cloud.functions.create(f"{shop.name}-by-hand", image["reference"])
    ran = shop.run("status", "--function", function.name, "--json")
    (found,) = ran.json["functions"]
    assert found["lineage"]["label"] == "//:shop"
    assert found["lineage"]["reference"] == image["reference"].partition("@")[0]
