"""Several functions are brought to their images together: all of them, or none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from lambdabuild.deploying.recorded import Done, deploy
from lambdabuild.deploying.sets import DEPLOYED, FAILED, ROLLED_BACK, UNCHANGED
from lambdabuild.errors import ExternalError, LambdaBuildError, UserError
from tests.cloud.aws import Cloud
from tests.cloud.faults import Rule, lost_answer, throttled
from tests.cloud.functions.refusals import denied
from tests.cloud.proxy import Proxy
from tests.oci.registry.proxy import reply
from tests.sweeps import points, sweep

from .bench import LIVES, Bench, Death, author, new_bench, push_scratch

REFUSED = denied("lambda:UpdateFunctionConfiguration", "arn:somewhere", "me").reply()


def after(bench: Bench, number: int, handler: str = "app.main") -> list[tuple[object, ...]]:
    """Returns what all functions are made of once a version is deployed."""
    digest = push_scratch(bench.registry, f"v{number}")
    return [(digest, handler)] * len(bench.names)


def statuses(done: Done) -> list[str]:
    return [outcome.status for outcome in done.outcomes]


def deploy_first(bench: Bench) -> Done:
    return bench.deploy(1)


def cut_off(bench: Bench, do: Callable[[Bench], object], requests: int, *, answered: bool = False) -> Death:
    """Lets alice do something that she dies of after so many requests, if it takes so many."""
    bench.cloud.lambda_gate.reset()
    bench.cloud.s3.reset()
    death = Death(bench.cloud, "alice", requests, answered=answered)
    try:
        do(bench)
    except LambdaBuildError:
        assert death.came_true
    return death


def test_code_comes_before_its_configuration_and_a_dry_run_before_both(bench: Bench) -> None:
    assert statuses(bench.deploy(1)) == [DEPLOYED] * 3
    assert bench.states() == after(bench, 1)
    for name in bench.names:
        asked = [each for each in bench.cloud.lambda_gate.asked("PUT") if f"/{name}/" in each.path]
        assert [each.path.rpartition("/")[2] for each in asked] == ["code", "code", "configuration"]
    puts = [each.path for each in bench.cloud.lambda_gate.asked("PUT")]
    assert all(path.endswith("/code") for path in puts[:3])
    assert {path.split("/")[-2] for path in puts[:3]} == set(bench.names)


def test_what_runs_already_is_left_alone(bench: Bench) -> None:
    bench.deploy(1)
    bench.cloud.lambda_gate.reset()
    done = bench.deploy(1)
    assert (done.id, statuses(done)) == ("", [UNCHANGED] * 3)
    assert bench.cloud.lambda_gate.asked("PUT") == bench.cloud.lambda_gate.asked("POST") == []


def test_a_plan_changes_nothing_and_says_why(bench: Bench) -> None:
    before = bench.states()
    plan = bench.plan(1)
    assert bench.states() == before
    assert [change.reason for change in plan] == ["another image"] * 3
    bench.deploy(1)
    bench.handlers[bench.names[1]] = "app.other"
    assert [change.reason for change in bench.plan(1)] == ["", "calls app.main, not app.other", ""]


def test_one_that_fails_takes_the_others_back(bench: Bench) -> None:
    before = bench.states()
    victim = bench.names[1]

    bench.cloud.functions.failures[victim] = ("InvalidImage", "it is no image")
    done = bench.deploy(1)
    found = dict(zip(bench.names, statuses(done), strict=True))
    assert found[victim] == ROLLED_BACK
    assert set(found.values()) <= {ROLLED_BACK, "skipped"}
    error = next(outcome.error for outcome in done.outcomes if outcome.change.name == victim)
    assert isinstance(error, ExternalError)
    assert "InvalidImage: it is no image" in error.message
    assert bench.states() == before
    assert statuses(bench.deploy(1)) == [DEPLOYED] * 3


def test_with_keep_going_the_others_stay(bench: Bench) -> None:
    victim = bench.names[1]
    bench.cloud.lambda_gate.add(Rule(reply(REFUSED), method="PUT", path=f"/{victim}/configuration", times=-1))
    done = bench.deploy(1, keep_going=True)
    found = dict(zip(bench.names, statuses(done), strict=True))
    assert found.pop(victim) == FAILED
    assert set(found.values()) == {DEPLOYED}


@sweep
@pytest.mark.parametrize("answered", [False, True])
def test_a_deploy_cut_off_at_any_request_is_completed_by_the_next_and_put_back_by_a_rollback(
    cloud: Cloud, registry: Proxy, *, answered: bool, every: bool
) -> None:
    count = cut_off(new_bench(cloud, registry, 2, alias="live"), deploy_first, LIVES).requests
    assert count > 20
    for requests in points(count + 1, every=every):
        bench = new_bench(cloud, registry, 2, alias="live")
        before = bench.states()
        death = cut_off(bench, deploy_first, requests, answered=answered)
        assert death.came_true or requests > 20
        if requests % 2:
            done = bench.deploy(1, client="bob")
            assert {*statuses(done)} <= {DEPLOYED, UNCHANGED}, requests
            assert bench.states() == after(bench, 1)[:2], requests
            assert bench.behind("live") == [state[0] for state in bench.states()]
        if list(bench.records("bob").latest()):
            bench.roll_back(client="bob")
            assert bench.states() == before, (requests, death.came_true)
        else:
            assert bench.states() == before
        assert bench.records("bob").unfinished() == ()


@sweep
@pytest.mark.parametrize("answered", [False, True])
def test_a_rollback_cut_off_at_any_request_is_completed_by_the_next(
    cloud: Cloud, registry: Proxy, *, answered: bool, every: bool
) -> None:
    whole = new_bench(cloud, registry, 2)
    whole.deploy(1, client="bob")
    count = cut_off(whole, Bench.roll_back, LIVES).requests
    assert count > 10
    for requests in points(count + 1, every=every):
        bench = new_bench(cloud, registry, 2)
        before = bench.states()
        bench.deploy(1, client="bob")
        death = cut_off(bench, Bench.roll_back, requests, answered=answered)
        assert death.came_true or requests > 10
        if death.came_true:
            with contextlib.suppress(UserError):  # all was done but the last line of its record
                bench.roll_back(client="bob")
        assert bench.states() == before, requests
        with pytest.raises(UserError, match="there is no deploy to roll back"):
            bench.roll_back(client="bob")
        assert bench.records("bob").unfinished() == (), requests


def test_throttling_lost_answers_and_conflicts_are_no_obstacle(bench: Bench) -> None:
    faults = [throttled("json"), lost_answer(), throttled("json")]
    for nth, fault in enumerate(faults * 3, 1):
        bench.cloud.lambda_gate.add(Rule(fault, first=4 * nth))
    records = bench.records()
    plan = bench.plan(1)
    done = deploy(plan, bench.steps("alice", attempts=5), records, author())
    assert statuses(done) == [DEPLOYED] * 3
    assert bench.states() == after(bench, 1)
