"""Somebody else is at work on the same function: what is theirs is left alone, and what is not is waited for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lambdabuild.deploying.sets import DEPLOYED, FAILED, ROLLED_BACK, UNCHANGED
from lambdabuild.deploying.steps import ATTEMPTS
from lambdabuild.errors import ExternalError, UserError
from tests.cloud.aws import Cloud
from tests.cloud.faults import FOR_EVER, Rule, around
from tests.cloud.functions.refusals import conflict, outdated
from tests.cloud.proxy import Proxy
from tests.oci.registry.proxy import reply

from .bench import Bench, new_bench, push_scratch


@pytest.fixture
def one(cloud: Cloud, registry: Proxy) -> Bench:
    """A single function."""
    return new_bench(cloud, registry, 1)


def meanwhile(
    bench: Bench, path: str, do: Callable[[], object], *, method: str = "PUT", first: int = 1
) -> None:
    """Lets somebody else do something just before a request of the deploy arrives."""
    (name,) = bench.names
    bench.cloud.lambda_gate.add(Rule(around(before=do), method=method, path=f"/{name}/{path}", first=first))


def test_an_update_of_others_is_waited_for(one: Bench) -> None:
    function = one.function(0)
    meanwhile(one, "code", lambda: function.change(3, None, environment={"A": "1"}), first=2)
    assert one.deploy(1).outcomes[0].status == DEPLOYED
    assert function.latest.environment == {"A": "1"}
    assert one.clock.seconds > 0


def test_a_change_of_what_a_deploy_does_not_touch_is_kept(one: Bench) -> None:
    function = one.function(0)

    def change_memory() -> None:
        function.change(0, None, environment={"B": "2"})
        function.look()

    for first in (1, 2):
        meanwhile(one, "code", change_memory, first=first)
    meanwhile(one, "configuration", change_memory)
    assert one.deploy(1).outcomes[0].status == DEPLOYED
    assert function.latest.environment == {"B": "2"}


@pytest.mark.parametrize(("path", "first"), [("code", 1), ("code", 2), ("configuration", 1)])
def test_another_deploy_in_between_is_told_and_left_as_it_is(one: Bench, path: str, first: int) -> None:
    function = one.function(0)
    theirs = push_scratch(one.registry, "theirs")

    def deploy_theirs() -> None:
        function.change(0, None, uri=f"{one.registry.host}/shop@{theirs}", digest=theirs)
        function.look()

    meanwhile(one, path, deploy_theirs, first=first)
    if first == 1 and path == "code":  # the dry run: nothing has been changed yet
        with pytest.raises(ExternalError, match="somebody else has deployed"):
            one.deploy(1)
    else:
        (outcome,) = one.deploy(1).outcomes
        assert outcome.status == FAILED
        assert outcome.error
        assert f"somebody else has deployed {one.names[0]} in between" in outcome.error.message
        assert theirs in outcome.error.message
    assert function.latest.digest == theirs


def test_a_function_that_others_change_for_ever_is_given_up_in_the_end(one: Bench) -> None:
    refusals = [conflict("busy").reply(), outdated("GetFunction").reply()]
    for number, refusal in enumerate(refusals):
        rule = Rule(reply(refusal), method="PUT", path="/code", first=2 + number, times=FOR_EVER)
        one.cloud.lambda_gate.add(rule)
    done = one.deploy(1, keep_going=True)
    assert done.outcomes[0].error
    assert f"{ATTEMPTS} times now" in done.outcomes[0].error.message
    assert len(one.cloud.lambda_gate.asked("PUT")) == 1 + ATTEMPTS


def test_an_update_that_never_ends_is_given_up_with_what_shows_its_state(one: Bench) -> None:
    one.cloud.functions.pending = -1
    done = one.deploy(1, keep_going=True)
    (outcome,) = done.outcomes
    assert outcome.error
    assert outcome.error.message == f"the update of {one.names[0]} is not over after 300 seconds"
    assert outcome.error.hint
    assert f"aws lambda get-function-configuration --function-name {one.names[0]}" in outcome.error.hint
    assert 300 <= one.clock.seconds < 310
    one.function(0).pending = 0
    one.cloud.functions.pending = 1
    assert one.deploy(1).outcomes[0].status == DEPLOYED


def test_an_alias_follows_and_goes_back(cloud: Cloud, registry: Proxy) -> None:
    bench = new_bench(cloud, registry, 2, alias="live")
    first, second = (push_scratch(registry, tag) for tag in ("v1", "v2"))
    assert [outcome.version for outcome in bench.deploy(1).outcomes] == ["1", "1"]
    assert bench.behind("live") == [first, first]
    assert [outcome.version for outcome in bench.deploy(2).outcomes] == ["2", "2"]
    assert bench.behind("live") == [second, second]
    assert [outcome.status for outcome in bench.deploy(2).outcomes] == [UNCHANGED] * 2
    bench.roll_back()
    assert bench.behind("live") == [first, first]
    assert [state[0] for state in bench.states()] == [first, first]


def test_an_alias_moves_only_when_all_before_it_is_done(cloud: Cloud, registry: Proxy) -> None:
    bench = new_bench(cloud, registry, 1, alias="live")
    bench.deploy(1)
    cloud.lambda_gate.reset()
    bench.deploy(2)
    changing = [each for each in cloud.lambda_gate.requests if each.method != "GET"]
    assert [each.path.split("/")[4] for each in changing] == ["code", "code", "versions", "aliases"]


def test_an_alias_that_somebody_else_has_moved_is_left_where_it_is(cloud: Cloud, registry: Proxy) -> None:
    bench = new_bench(cloud, registry, 1, alias="live")
    bench.deploy(1)
    bench.deploy(2)
    function = bench.function(0)
    before = bench.states()
    meanwhile(bench, "aliases", lambda: function.put_alias("live", {"FunctionVersion": "1"}, new=False))
    (outcome,) = bench.deploy(3).outcomes
    assert outcome.status == ROLLED_BACK
    assert outcome.error
    assert "moved the alias live" in outcome.error.message
    assert "it pointed at version 2, and points at version 1" in outcome.error.message
    assert function.aliases["live"].version == "1"
    assert bench.states() == before


def test_a_rollback_leaves_an_alias_alone_that_was_moved_since(cloud: Cloud, registry: Proxy) -> None:
    bench = new_bench(cloud, registry, 1, alias="live")
    for number in (1, 2, 3):
        bench.deploy(number)
    bench.function(0).put_alias("live", {"FunctionVersion": "1"}, new=False)
    before = bench.states()
    with pytest.raises(ExternalError, match="moved the alias live"):
        bench.roll_back()
    assert bench.states() == before


def test_a_rollback_leaves_a_function_alone_that_was_deployed_since(one: Bench) -> None:
    first = one.deploy(1)
    one.deploy(2)
    before = one.states()
    with pytest.raises(ExternalError, match="somebody else has deployed"):
        one.roll_back(first.id)
    assert one.states() == before


def test_an_alias_that_is_in_two_places_is_not_moved(cloud: Cloud, registry: Proxy) -> None:
    bench = new_bench(cloud, registry, 1, alias="live")
    bench.deploy(1)
    bench.deploy(2)
    weights = {"AdditionalVersionWeights": {"1": 0.1}}
    bench.function(0).put_alias("live", {"FunctionVersion": "2", "RoutingConfig": weights}, new=False)
    with pytest.raises(UserError, match="sends a part of its calls to another version"):
        bench.deploy(3)


def test_a_set_that_is_put_back_takes_its_aliases_back(cloud: Cloud, registry: Proxy) -> None:
    bench = new_bench(cloud, registry, 2, alias="live")
    bench.deploy(1)
    before, behind = bench.states(), bench.behind("live")
    refusal = reply(conflict("busy").reply())
    rule = Rule(refusal, method="PUT", path=f"/{bench.names[1]}/aliases", times=FOR_EVER)
    cloud.lambda_gate.add(rule)
    statuses = {outcome.status for outcome in bench.deploy(2).outcomes}
    assert statuses == {ROLLED_BACK}
    assert (bench.states(), bench.behind("live")) == (before, behind)
