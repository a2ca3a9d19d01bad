"""The template with values in place of its functions, and what its policies allow.

Of IAM there is what the template uses: conditions that are absent from a request, wildcards in
resources and values, and that an explicit Deny has the last word (IAM user guide, "Policy evaluation
logic" and "Condition operators": negated operators hold for keys that are absent, ForAnyValue does not).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from cfnlint.decode import decode_str

from lambdabuild.setup.deploy import template

DOCUMENT: Any = decode_str(template())[0]
"""The template as CloudFormation reads it, functions by their long names."""

PLACE = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com",
}
_ARNS = {
    "Bucket": "arn:${AWS::Partition}:s3:::${Name}-${AWS::AccountId}-${AWS::Region}",
    "Project": "arn:${AWS::Partition}:codebuild:${AWS::Region}:${AWS::AccountId}:project/${Name}",
    "LogGroup": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/codebuild/${Name}:*",
    "Repository": "arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/${RepositoryName}",
}


class Rendering:
    """The template for some parameters; others have their defaults."""

    def __init__(self, place: Mapping[str, str] = PLACE, **parameters: str) -> None:
        defaults = {name: str(each.get("Default", "0" * 64)) for name, each in DOCUMENT["Parameters"].items()}
        self._names = {**defaults, **parameters, **place}
        self._lists = {
            name for name, each in DOCUMENT["Parameters"].items() if each["Type"] == "CommaDelimitedList"
        }

    def of(self, *path: str | int) -> Any:
        """Returns a part of the template."""
        found = DOCUMENT
        for step in path:
            found = found[step]
        return self._value(found)

    def _value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._value(each) for each in node]
        if not isinstance(node, dict):
            return node
        if len(node) == 1 and (name := next(iter(node))) in ("Ref", *_FUNCTIONS):
            return self._ref(node["Ref"]) if name == "Ref" else _FUNCTIONS[name](self, node[name])
        return {str(key): self._value(each) for key, each in node.items()}

    def _ref(self, name: str) -> Any:
        return self._names[name].split(",") if name in self._lists else self._names.get(name, name)

    def _if(self, arguments: Any) -> Any:
        condition, yes, no = arguments
        return self._value(yes if self._value(DOCUMENT["Conditions"][condition]) else no)

    def _sub(self, arguments: Any) -> str:
        text, more = (arguments, {}) if isinstance(arguments, str) else arguments
        values: dict[str, str] = {**self._names, **{key: self._value(each) for key, each in more.items()}}

        def value(match: re.Match[str]) -> str:
            name = str(match[1])
            return self._arn(name) if name.endswith(".Arn") else values.get(name, name)

        return re.sub(r"\$\{([^}]+)\}", value, text)

    def _arn(self, name: str) -> str:
        return self._sub(_ARNS.get(name.removesuffix(".Arn"), name))

    def _get(self, arguments: Any) -> str:
        name = arguments if isinstance(arguments, str) else ".".join(arguments)
        return self._arn(name)


_FUNCTIONS: Mapping[str, Callable[[Rendering, Any], Any]] = {
    "Fn::If": Rendering._if,
    "Fn::Sub": Rendering._sub,
    "Fn::GetAtt": Rendering._get,
    "Fn::Join": lambda self, given: given[0].join(self._value(given[1])),
    "Fn::Split": lambda self, given: self._value(given[1]).split(given[0]),
    "Fn::Not": lambda self, given: not self._value(given[0]),
    "Fn::Equals": lambda self, given: self._value(given[0]) == self._value(given[1]),
}


@dataclass(frozen=True)
class Asked:
    """What somebody wants to do; context: the request's condition keys, lists for those of many values."""

    action: str
    resource: str
    context: Mapping[str, str | list[str]] = field(default_factory=dict)


def allows(policy: Any, asked: Asked) -> bool:
    """Returns whether a policy by itself allows it."""
    matching = [each["Effect"] for each in policy["Statement"] if _applies(each, asked)]
    return "Allow" in matching and "Deny" not in matching


def _applies(statement: Any, asked: Asked) -> bool:
    return (
        any(fnmatchcase(asked.action.lower(), each.lower()) for each in _many(statement["Action"]))
        and any(fnmatchcase(asked.resource, each) for each in _many(statement["Resource"]))
        and all(
            _holds(operator, _many(values), asked.context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _holds(operator: str, values: list[str], given: str | list[str] | None) -> bool:
    if operator == "Null":
        return values == ["true" if given is None else "false"]
    if operator == "ForAnyValue:StringNotEquals":
        return any(each not in values for each in _many(given or []))
    if operator == "StringNotEquals":
        return given not in values
    assert operator in ("StringEquals", "StringLike"), operator
    return isinstance(given, str) and any(fnmatchcase(given, each) for each in values)


def _many(value: Any) -> list[str]:
    return list(value) if isinstance(value, list) else [value]
