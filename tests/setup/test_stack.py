"""Change sets: looked at, carried out, dropped; and what is said of stacks in a bad state."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.setup.stack import Stacks
from tests.cloud.aws import Cloud
from tests.setup.moto_mends import mend_change_sets

BUCKET = """
Parameters:
  Name: {Type: String}
  More: {Type: String, Default: "no"}
Conditions:
  HasMore: !Equals [!Ref More, "yes"]
Resources:
  Log:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: !Ref Name}
Outputs:
  Log: {Value: !Ref Log}
"""
INITIAL = {"More": "no"}
_NUMBERS = itertools.count(1)


def no_sleep(seconds: float) -> None:
    raise AssertionError("there was nothing to wait for")


@pytest.fixture
def api(cloud: Cloud) -> Any:
    mend_change_sets()
    return cloud.client("cloudformation")


@pytest.fixture
def name() -> str:
    return f"stack-{os.getpid()}-{next(_NUMBERS)}"


def made(api: Any, name: str, **wanted: str) -> None:
    stacks = Stacks(lambda: api, no_sleep)
    with stacks.prepared(name, BUCKET, {"Name": name, **wanted}, INITIAL, token="one") as changes:
        assert changes is not None
        stacks.apply(changes)


def test_a_stack_that_does_not_exist_is_none(api: Any, name: str) -> None:
    assert Stacks(lambda: api, no_sleep).find(name) is None


def test_changes_are_shown_before_they_are_carried_out(api: Any, name: str) -> None:
    stacks = Stacks(lambda: api, no_sleep)
    with stacks.prepared(name, BUCKET, {"Name": name}, INITIAL, token="one") as changes:
        assert changes is not None
        assert changes.creates
        assert [(each.action, each.resource) for each in changes.changes] == [("Add", "Log")]
        assert stacks.find(name) is None
        stacks.apply(changes)
    stack = stacks.find(name)
    assert stack is not None
    assert (stack.status, stack.outputs, stack.parameters["More"]) == ("CREATE_COMPLETE", {"Log": name}, "no")


def test_changes_that_are_not_wanted_leave_nothing(api: Any, name: str) -> None:
    with Stacks(lambda: api, no_sleep).prepared(name, BUCKET, {"Name": name}, INITIAL, token="one"):
        pass
    assert name not in [
        each["StackName"]
        for each in api.list_stacks()["StackSummaries"]
        if "DELETE" not in each["StackStatus"]
    ]


def test_a_stack_that_is_as_it_should_be_needs_no_change(api: Any, name: str) -> None:
    made(api, name)
    with Stacks(lambda: api, no_sleep).prepared(
        name, BUCKET, {"Name": name}, INITIAL, token="two"
    ) as changes:
        assert changes is None


def test_what_nobody_asks_for_stays_as_it_is(api: Any, name: str) -> None:
    made(api, name, More="yes")
    with Stacks(lambda: api, no_sleep).prepared(
        name, BUCKET, {"Name": name}, INITIAL, token="two"
    ) as changes:
        assert changes is None, "More would have gone back to its initial value"


class Stuck:
    """A CloudFormation that answers what real ones do and moto never does."""

    class exceptions:
        ClientError = ChangeSetNotFoundException = KeyError

    def __init__(self, *statuses: str, events: Callable[[], list[dict[str, str]]] = list) -> None:
        self.statuses = list(statuses)
        self.events = events

    def describe_stacks(self, **given: str) -> Any:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"Stacks": [{"StackStatus": status}]}

    def create_change_set(self, **given: Any) -> Any:
        return {"Id": "change"}

    def describe_change_set(self, **given: str) -> Any:
        return {"Status": "CREATE_COMPLETE", "Changes": [], "ExecutionStatus": "EXECUTE_FAILED"}

    def execute_change_set(self, **given: str) -> None:
        pass

    def get_paginator(self, operation: str) -> Any:
        assert operation == "describe_stack_events"
        return self

    def paginate(self, **given: str) -> Iterator[Any]:
        yield from ({"StackEvents": [each]} for each in self.events())


@pytest.mark.parametrize(
    ("status", "command"),
    [
        ("ROLLBACK_COMPLETE", "delete-stack"),
        ("DELETE_FAILED", "delete-stack"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("UPDATE_IN_PROGRESS", "wait stack-update-complete"),
    ],
)
def test_a_stack_that_cannot_be_changed_says_what_to_do(status: str, command: str) -> None:
    stacks = Stacks(lambda: Stuck(status), no_sleep)
    with pytest.raises(UserError, match=status) as caught, stacks.prepared("x", "", {}, {}, token="t"):
        pass
    assert command in (caught.value.hint or "")


def change(stacks: Stacks) -> None:
    with stacks.prepared("x", "", {}, {}, token="t") as changes:
        assert changes is not None
        stacks.apply(changes)


def event(resource: str, status: str, reason: str) -> dict[str, str]:
    return {
        "LogicalResourceId": resource,
        "ResourceType": f"AWS::{resource}",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def test_a_failure_names_the_first_resource_that_failed_in_this_run() -> None:
    newest_first = [
        event("x", "UPDATE_ROLLBACK_COMPLETE", ""),
        event("Role", "CREATE_FAILED", "Resource creation cancelled"),
        event("Bucket", "UPDATE_FAILED", "the name is taken"),
        event("x", "UPDATE_IN_PROGRESS", "User Initiated"),
        event("Old", "CREATE_FAILED", "long ago"),
    ]
    statuses = ["UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]
    stuck = Stuck(*statuses, events=lambda: newest_first)
    waited: list[float] = []
    stacks = Stacks(lambda: stuck, waited.append)
    with pytest.raises(ExternalError) as caught:
        change(stacks)
    assert caught.value.details == ("Bucket (AWS::Bucket): the name is taken",)
    assert len(waited) == 1


def test_a_change_that_never_ends_is_given_up() -> None:
    stuck = Stuck("UPDATE_COMPLETE", "UPDATE_IN_PROGRESS")
    waited: list[float] = []
    stacks = Stacks(lambda: stuck, waited.append)
    with pytest.raises(ExternalError, match="an hour"):
        change(stacks)
    assert sum(waited) == 3600
