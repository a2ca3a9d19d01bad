"""A CloudFormation stack: made or changed through a change set, which can be looked at before.

Retained resources of a stack that was deleted are taken back: their names are fixed, and change sets
import what exists. Waiting is done here, since botocore's waiters do not say which resource failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from lambdabuild.aws.errors import aws_errors, code_of
from lambdabuild.errors import ExternalError, UserError

POLL_SECONDS: Final = 5.0
_MAX_POLLS: Final = 720
_NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
_FOLLOWED = ("cancelled", "canceled")


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack as it stands: its status, such as "CREATE_COMPLETE", parameters and outputs."""

    name: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that will be different: "Add", "Modify", "Remove" or "Import"."""

    action: str
    resource: str
    kind: str
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Changes that wait to be carried out.

    creates: whether there is no stack yet.
    """

    id: str
    stack: str
    creates: bool
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Stacks:
    """The stacks of one account and region.

    client: gives the client of CloudFormation.
    sleep:  waits so many seconds.
    """

    client: Callable[[], Any]
    sleep: Callable[[float], None] = field(repr=False)

    def find(self, name: str) -> Stack | None:
        """Returns the stack, or None; one that was only ever reviewed counts as none."""
        with aws_errors(f"cannot look at the stack {name}"):
            try:
                answer = self.client().describe_stacks(StackName=name)
            except self.client().exceptions.ClientError as error:
                # There is no other code for a stack that does not exist.
                if code_of(error) == "ValidationError" and "does not exist" in str(error):
                    return None
                raise
        found = answer["Stacks"][0]
        if found["StackStatus"] == "REVIEW_IN_PROGRESS":
            return None
        return Stack(
            name,
            found["StackStatus"],
            {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", ())},
            {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())},
        )

    @contextmanager
    def prepared(
        self, name: str, template: str, wanted: Mapping[str, str], initial: Mapping[str, str], *, token: str
    ) -> Iterator[ChangeSet | None]:
        """Gives the changes that lead to `template`, None if there are none; drops them on the way out.

        wanted:  parameters that are asked for; others keep their values.
        initial: their values in a stack that is new, or that does not know them yet.
        token:   a name that no other change set of the stack has.
        """
        stack = self.find(name)
        if stack is not None:
            _check_ready(stack)
        with aws_errors(f"cannot prepare the stack {name}"):
            made = self.client().create_change_set(
                StackName=name,
                ChangeSetName=token,
                ChangeSetType="CREATE" if stack is None else "UPDATE",
                TemplateBody=template,
                Parameters=_parameters(stack, wanted, initial),
                Capabilities=["CAPABILITY_IAM"],
                ImportExistingResources=True,
            )
        try:
            yield self._wait_prepared(name, made["Id"], creates=stack is None)
        finally:
            self._drop(name, made["Id"], creates=stack is None)

    def apply(self, changes: ChangeSet) -> None:
        """Carries changes out and waits; raises ExternalError with the reason of what failed first."""
        with aws_errors(f"cannot change the stack {changes.stack}"):
            self.client().execute_change_set(StackName=changes.stack, ChangeSetName=changes.id)
        for _ in range(_MAX_POLLS):
            stack = self.find(changes.stack)
            if stack is not None and not stack.status.endswith("_IN_PROGRESS"):
                break
            self.sleep(POLL_SECONDS)
        else:
            raise ExternalError(
                f"the stack {changes.stack} has been changing for an hour",
                hint=f"look at it: aws cloudformation describe-stack-events --stack-name {changes.stack}",
            )
        if stack.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise self._failure(stack, creates=changes.creates)

    def _wait_prepared(self, name: str, change_set: str, *, creates: bool) -> ChangeSet | None:
        for _ in range(_MAX_POLLS):
            with aws_errors(f"cannot prepare the stack {name}"):
                answer = self.client().describe_change_set(StackName=name, ChangeSetName=change_set)
            if answer["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                break
            self.sleep(POLL_SECONDS)
        if answer["Status"] == "CREATE_COMPLETE":
            return ChangeSet(change_set, name, creates, _changes(answer))
        reason = answer.get("StatusReason", "")
        if any(text in reason for text in _NOTHING_TO_DO):
            return None
        raise ExternalError(f"CloudFormation refuses the stack {name}: {reason or answer['Status']}")

    def _drop(self, name: str, change_set: str, *, creates: bool) -> None:
        """Removes a change set that was not carried out, and the empty stack of a new one."""
        with aws_errors(f"cannot tidy up the stack {name}"):
            try:
                answer = self.client().describe_change_set(StackName=name, ChangeSetName=change_set)
            except self.client().exceptions.ChangeSetNotFoundException:
                return
            if answer.get("ExecutionStatus") not in ("AVAILABLE", "UNAVAILABLE"):
                return
            self.client().delete_change_set(StackName=name, ChangeSetName=change_set)
            if creates and self.find(name) is None:
                self.client().delete_stack(StackName=name)

    def _failure(self, stack: Stack, *, creates: bool) -> ExternalError:
        """Returns the error for a stack that was rolled back."""
        verb = "made" if creates else "changed"
        return ExternalError(
            f"the stack {stack.name} could not be {verb} and was rolled back",
            hint=_mend(stack),
            details=self._reasons(stack.name),
        )

    def _reasons(self, name: str) -> tuple[str, ...]:
        """Returns why resources failed in the last run, the first cause first."""
        reasons: list[str] = []
        with aws_errors(f"cannot read what became of the stack {name}"):
            events = self.client().get_paginator("describe_stack_events").paginate(StackName=name)
            # They come newest first, and reach back to the stack's creation.
            for event in (event for page in events for event in page["StackEvents"]):
                reason = event.get("ResourceStatusReason", "")
                if event["ResourceStatus"].endswith("_FAILED") and not _is_consequence(reason):
                    reasons.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
                if reason == "User Initiated" and event["LogicalResourceId"] == name:
                    break
        return tuple(reversed(reasons))


def _is_consequence(reason: str) -> bool:
    return not reason or any(word in reason for word in _FOLLOWED)


def _parameters(
    stack: Stack | None, wanted: Mapping[str, str], initial: Mapping[str, str]
) -> list[dict[str, str]]:
    values = {**initial, **(stack.parameters if stack is not None else {}), **wanted}
    known = wanted.keys() | initial.keys()  # not those that an older template had
    return [{"ParameterKey": name, "ParameterValue": values[name]} for name in sorted(known)]


def _changes(answer: Mapping[str, Any]) -> tuple[Change, ...]:
    found = [each["ResourceChange"] for each in answer.get("Changes", ()) if "ResourceChange" in each]
    return tuple(
        Change(
            each["Action"],
            each["LogicalResourceId"],
            each["ResourceType"],
            each.get("Replacement") == "True",
        )
        for each in found
    )


def _check_ready(stack: Stack) -> None:
    """Raises UserError for a stack that CloudFormation would not let be changed."""
    if stack.status.endswith("_IN_PROGRESS"):
        raise UserError(
            f"the stack {stack.name} is being changed by somebody else: {stack.status}",
            hint=f"wait for it: aws cloudformation wait stack-update-complete --stack-name {stack.name}",
        )
    mend = _mend(stack)
    if mend is not None:
        raise UserError(f"the stack {stack.name} cannot be changed: it is in {stack.status}", hint=mend)


def _mend(stack: Stack) -> str | None:
    """Returns what brings a stack back to where it can be changed, or None if it can be."""
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        return f"aws cloudformation continue-update-rollback --stack-name {stack.name}"
    if stack.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
        return (
            f"delete it, which keeps bucket and repository, and try again: "
            f"aws cloudformation delete-stack --stack-name {stack.name}"
        )
    return None
