"""Functions follow their images: deployed, left alone, put back, on a Lambda that runs them."""

from __future__ import annotations

from tests.cloud.deploys import FUNCTIONS, Shop, all_answer


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
