"""A map as text, in the format that each tool reads.

    json             {"version", "predicted", "images": {name: {…}}}
    dotenv           NAME_URI=…, and more lines for each image
    tfvars           lambda_images = {name: {…}}, as *.auto.tfvars.json
    cfn-parameters   NameUri, as `aws cloudformation … file://` takes them
    pulumi-config    lambdabuild:images, as `pulumi config set-all --json` takes it
    cdk-context      lambdabuild:images, for cdk.context.json

All are sorted by name and end with a newline: equal maps are equal bytes.
Absent: HCL, whose strings need quoting of their own; Terraform reads JSON just
as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from lambdabuild.artefacts.artefact import Artefact
from lambdabuild.artefacts.names import distinct
from lambdabuild.errors import Location, UserError

VERSION: Final = 1
"""Of the JSON document; counts up when a key changes its meaning or goes."""

IMAGES_KEY: Final = "lambdabuild:images"
"""The key in Pulumi's configuration and CDK's context."""

_PLAIN = re.compile(r"[A-Za-z0-9_./:@+,-]*")


def render(format_: str, artefacts: Sequence[Artefact]) -> str:
    """Returns the map as text; raises UserError for two images that would have one key."""
    return FORMATS[format_](sorted(artefacts, key=lambda each: each.name))


def merged(text: str, before: bytes, at: Location) -> str:
    """Returns the object `text` with the other keys of the JSON object `before`, which come first.

    Raises UserError if that is none.
    """
    try:
        known = json.loads(before)
    except ValueError:
        known = None
    if not isinstance(known, dict):
        raise UserError("this is no JSON object", at=at, hint="mend it, or name another file")
    return _json(known | json.loads(text))


def _document(artefacts: Sequence[Artefact]) -> str:
    predicted = any(each.digest is None for each in artefacts)
    return _json({"version": VERSION, "predicted": predicted, "images": _images(artefacts)})


def _dotenv(artefacts: Sequence[Artefact]) -> str:
    distinct(artefacts, lambda each: each.id, lambda each: (key for key, _ in _variables(each)))
    return "".join(f"{key}={_quoted(value)}\n" for each in artefacts for key, value in _variables(each))


def _variables(artefact: Artefact) -> Iterable[tuple[str, str]]:
    name = artefact.name.upper()
    yield f"{name}_URI", artefact.uri
    yield f"{name}_TAG_URI", artefact.tag_uri
    yield f"{name}_HASH", artefact.hash
    yield f"{name}_PLATFORM", artefact.id.platform
    yield f"{name}_FUNCTIONS", ",".join(artefact.functions)


def _quoted(value: str) -> str:
    """Returns a value as shells and dotenv readers both take it: in single quotes if it is not plain."""
    if _PLAIN.fullmatch(value):
        return value
    if "'" in value or "\n" in value:
        raise UserError(f"{value!r} cannot be written in a dotenv file", hint="take --format json")
    return f"'{value}'"


def _tfvars(artefacts: Sequence[Artefact]) -> str:
    return _json({"lambda_images": _images(artefacts)})


def _parameters(artefacts: Sequence[Artefact]) -> str:
    distinct(artefacts, lambda each: each.id, lambda each: (_parameter(each),))
    return _json([{"ParameterKey": _parameter(each), "ParameterValue": each.uri} for each in artefacts])


def _parameter(artefact: Artefact) -> str:
    """Returns the name of an image's parameter: letters and digits are all that it may have."""
    words = artefact.name.split("_")
    return "".join(word[:1].upper() + word[1:] for word in words) + "Uri"


def _pulumi(artefacts: Sequence[Artefact]) -> str:
    images = _images(artefacts)
    value = json.dumps(images, separators=(",", ":"))
    return _json({IMAGES_KEY: {"value": value, "objectValue": images, "secret": False}})


def _context(artefacts: Sequence[Artefact]) -> str:
    return _json({IMAGES_KEY: _images(artefacts)})


def _images(artefacts: Sequence[Artefact]) -> dict[str, Any]:
    return {each.name: each.to_json() for each in artefacts}


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


FORMATS: Final[Mapping[str, Callable[[Sequence[Artefact]], str]]] = {
    "json": _document,
    "dotenv": _dotenv,
    "tfvars": _tfvars,
    "cfn-parameters": _parameters,
    "pulumi-config": _pulumi,
    "cdk-context": _context,
}
