"""What moto's CloudFormation lacks of our template.

Projects of CodeBuild, most of a bucket, its policy, and changes of parameters that only Fn::Sub uses. moto
finds models among the direct subclasses of CloudFormationModel, the last one of a type winning, and
caches them. Types without a model are skipped with a warning, which pytest makes a failure.
The policy of a bucket is taken and not applied: moto looks at no conditions, so that "deny without TLS"
would deny everything.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any, ClassVar

from .codebuild import CodeBuild
from .codebuild.refusal import Refusal


def register(codebuild: CodeBuild, s3: Any) -> None:
    """Makes moto's CloudFormation of this process hand projects to `codebuild`.

    s3: boto3 client, for what moto leaves out of a bucket.
    """
    from moto.cloudformation import parsing
    from moto.core.common_models import CloudFormationModel

    for model, given in ((Project, {"codebuild": codebuild}), (Bucket, {"s3": s3}), (BucketPolicy, {})):
        type(model.__name__, (model, CloudFormationModel), given)
    parsing.get_references_from_template = references
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()


def references(template: Any) -> list[str]:
    """Returns the names that a part of a template refers to.

    moto looks at Ref alone, and would leave a resource as it is if only an Fn::Sub of it changes.
    """
    if isinstance(template, list):
        return [name for part in template for name in references(part)]
    if not isinstance(template, dict):
        return []
    found: list[str] = []
    for key, value in template.items():
        if key == "Ref":
            found.append(value)
        else:
            text = value[0] if key == "Fn::Sub" and isinstance(value, list) else value
            found += re.findall(r"\$\{([^!}.]+)", text) if key == "Fn::Sub" else []
            found += references(value)
    return found


def project_request(shape: Any, properties: Any) -> Any:
    """Returns CloudFormation's properties as the API wants them.

    Names differ in case (BuildSpec, buildspec), and numbers may be texts.
    shape: botocore's, of the request.
    """
    if shape.type_name == "structure":
        members = {name.lower(): name for name in shape.members}
        named = {
            members[name.lower()]: value for name, value in properties.items() if name.lower() in members
        }
        return {name: project_request(shape.members[name], value) for name, value in named.items()}
    if shape.type_name == "list":
        return [project_request(shape.member, value) for value in properties]
    if shape.type_name == "integer":
        return int(properties)
    if shape.type_name == "boolean":
        return str(properties).lower() == "true"
    return str(properties)


class Project:
    """AWS::CodeBuild::Project, as moto wants it."""

    codebuild: ClassVar[CodeBuild]

    def __init__(self, project: Any) -> None:
        self.physical_resource_id: str = project["name"]
        self._arn: str = project["arn"]

    @staticmethod
    def cloudformation_name_type() -> str:
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::CodeBuild::Project"

    @staticmethod
    def has_cfn_attr(attr: str) -> bool:
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        assert attribute_name == "Arn", attribute_name
        return self._arn

    def is_created(self) -> bool:
        return True

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, *where: str, **more: Any
    ) -> Project:
        request = cls._request(resource_name, cloudformation_json)
        return cls(_taken(lambda: cls.codebuild.projects.create(request))["project"])

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Project,
        new_resource_name: str,
        cloudformation_json: Any,
        *where: str,
        **more: Any,
    ) -> Project:
        before = original_resource.physical_resource_id
        name = cloudformation_json["Properties"].get("Name", before)
        if name != before:
            cls.codebuild.projects.delete({"name": before})
            return cls.create_from_cloudformation_json(name, cloudformation_json)
        request = cls._request(name, cloudformation_json)
        return cls(_taken(lambda: cls.codebuild.projects.update(request))["project"])

    @classmethod
    def delete_from_cloudformation_json(cls, resource_name: str, *where: Any, **more: Any) -> None:
        cls.codebuild.projects.delete({"name": resource_name})

    @classmethod
    def _request(cls, name: str, document: Any) -> Any:
        model = cls.codebuild.model
        properties = {**document.get("Properties", {}), "Name": name}
        request = project_request(model.input_shape("CreateProject"), properties)
        return _taken(lambda: model.check_request("CreateProject", request))


class Bucket:
    """AWS::S3::Bucket: moto's own, with lifecycle, ownership and the block of public access."""

    s3: ClassVar[Any]

    @staticmethod
    def cloudformation_name_type() -> str:
        return "BucketName"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::S3::Bucket"

    @staticmethod
    def has_cfn_attr(attr: str) -> bool:
        return bool(_motos_bucket().has_cfn_attr(attr))

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, *where: str, **more: Any
    ) -> Any:
        bucket = _motos_bucket().create_from_cloudformation_json(resource_name, cloudformation_json, *where)
        _complete(cls.s3, bucket.name, cloudformation_json["Properties"])
        return bucket

    @classmethod
    def update_from_cloudformation_json(cls, **what: Any) -> Any:
        bucket = _motos_bucket().update_from_cloudformation_json(**what)
        _complete(cls.s3, bucket.name, what["cloudformation_json"]["Properties"])
        return bucket

    @staticmethod
    def delete_from_cloudformation_json(*what: Any) -> None:
        _motos_bucket().delete_from_cloudformation_json(*what)


class BucketPolicy:
    """AWS::S3::BucketPolicy, which does nothing."""

    def __init__(self) -> None:
        self.physical_resource_id = f"ignored-{secrets.token_hex(8)}"

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::S3::BucketPolicy"

    def is_created(self) -> bool:
        return True

    @classmethod
    def create_from_cloudformation_json(cls, *what: Any, **more: Any) -> BucketPolicy:
        return cls()

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: BucketPolicy, *what: Any, **more: Any
    ) -> BucketPolicy:
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(cls, *what: Any, **more: Any) -> None:
        """There is nothing to delete."""


def _taken(call: Callable[[], Any]) -> Any:
    """Returns what CodeBuild answers; its refusal becomes CloudFormation's, at once and not as an event."""
    from moto.cloudformation.exceptions import ValidationError

    try:
        return call()
    except Refusal as no:
        raise ValidationError(message=f"{no.code}: {no.message}") from None


def _motos_bucket() -> Any:
    from moto.s3.models import FakeBucket

    return FakeBucket


def _complete(s3: Any, name: str, properties: Any) -> None:
    """Sets what moto leaves out of a bucket."""
    if block := properties.get("PublicAccessBlockConfiguration"):
        flags = {key: str(value).lower() == "true" for key, value in block.items()}
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=flags)
    if controls := properties.get("OwnershipControls"):
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=controls)
    if rules := properties.get("LifecycleConfiguration", {}).get("Rules"):
        configuration = {"Rules": [_lifecycle_rule(rule) for rule in rules]}
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration=configuration)


def _lifecycle_rule(rule: Any) -> Any:
    found = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "ExpirationInDays" in rule:
        found["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if abort := rule.get("AbortIncompleteMultipartUpload"):
        found["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": int(abort["DaysAfterInitiation"])}
    return found
