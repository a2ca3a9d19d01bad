"""What moto's CloudFormation lacks of change sets, and of updates through them."""

from __future__ import annotations

import re
from typing import Any

_NAMED = re.compile(r"\$\{(\w+)")


def mend_change_sets() -> None:
    """Mends moto in this process, once.

    After a change set is executed, its stack has outputs and parameters; lists among these are texts
    as they were given; parameters are found in Fn::Sub as well; resources whose condition does not hold
    are left alone; an update that changes nothing is a failed change set, and no refusal, which is what
    UpdateStack gives.
    """
    from moto.cloudformation import parsing
    from moto.cloudformation.models import ChangeSet, Stack
    from moto.cloudformation.responses import CloudFormationResponse

    if hasattr(ChangeSet, "mended"):
        return
    carry_out, references = ChangeSet.apply, parsing.get_references_from_template
    update = parsing.parse_and_update_resource

    def apply(self: Any) -> None:
        carry_out(self)
        self.stack.template = self.template
        self.stack.parameters = self.parameters
        self.stack._parse_template()
        self.stack.output_map = self.stack._create_output_map()

    def all_references(template: Any) -> Any:
        return {*references(template), *_NAMED.findall(str(template))}

    def parameter_list(self: Any) -> list[dict[str, str]]:
        values = self.resource_map.resolved_parameters
        return [{"ParameterKey": name, "ParameterValue": _text(value)} for name, value in values.items()]

    def update_what_is_there(name: str, document: Any, resources: Any, **where: str) -> Any:
        return None if resources[name] is None else update(name, document, resources, **where)

    ChangeSet.apply = apply  # type: ignore[method-assign]
    ChangeSet.mended = True  # type: ignore[attr-defined]
    Stack.parameter_list = property(parameter_list)  # type: ignore[assignment]
    CloudFormationResponse._validate_different_update = lambda self, *stack: None  # type: ignore[method-assign]
    parsing.parse_and_update_resource = update_what_is_there  # type: ignore[assignment]
    parsing.get_references_from_template = all_references


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def mend_account_settings() -> dict[str, str]:
    """Gives moto's ECR the settings of its account, of which it has none; returns them, to be changed."""
    from moto.core.responses import ActionResult
    from moto.ecr.responses import ECRResponse

    settings = {"BLOB_MOUNTING": "ENABLED"}

    def get_account_setting(self: Any) -> ActionResult:
        name = self._get_param("name")
        return ActionResult({"name": name, "value": settings.get(name, "DISABLED")})

    ECRResponse.get_account_setting = get_account_setting  # type: ignore[attr-defined]
    return settings
