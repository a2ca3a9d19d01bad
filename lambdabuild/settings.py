"""The settings there are: sections and keys of WORKSPACE.toml, with their types, defaults and meanings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

OUT_DIR = "lambdabuild-out"


Value: TypeAlias = "str | int | tuple[str, ...]"
"""What a setting can be; true and false are integers to Python."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of one section: its type, that of its default, and what it means.

    choices: all the values that it can have, or () for any.
    """

    default: Value
    doc: str
    choices: tuple[str, ...] = ()


SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "workspace": {
        "name": Setting("", "The workspace's name; that of its directory if not given."),
        "platforms": Setting(
            ("linux/amd64",),
            "What targets are built for without --platform: linux/amd64, linux/arm64, or host "
            "for that of the machine that builds.",
        ),
        "ignore": Setting(
            ("node_modules", OUT_DIR, "__pycache__"),
            "Names of directories that patterns and globs do not enter, beside those that begin with a dot.",
        ),
    },
    "python": {
        "index": Setting(
            "", "The package index, as pip's --index-url; what pip is configured for if not given."
        ),
        "packages": Setting(
            ("//...",),
            "Where pyproject.toml files are looked for whose packages others may require by name: patterns.",
        ),
        "combinations": Setting(
            (),
            "Systems that python.lock is for beside those of the bases, "
            "such as python 3.12, glibc 2.34, linux/arm64.",
        ),
        "bytecode": Setting(
            "",
            "The exact version of the Python that compiles what images on it hold, such as 3.12.7.",
        ),
    },
    "images": {
        "auto": Setting((), 'The images that base = "auto" chooses from: labels.'),
    },
    "secrets": {},
    "registry": {
        "push": Setting((), "Where images are pushed: host/prefix, several for several regions."),
        "repository": Setting(
            "{package}/{name}",
            "The repository of an image below the prefix, made of its package and its name.",
        ),
        "tags": Setting(
            (),
            "Tags that a push moves to its images, beside those of hashes, such as stable; those of --tag "
            "take their place.",
        ),
        "mirrors": Setting(
            (),
            "Where images of a registry are read instead: host=other-host, or host=other-host/prefix.",
        ),
        "insecure": Setting(
            (), "Registries that are spoken to without TLS: hosts, with a port or for all ports."
        ),
        "keep_last": Setting(10, "How many images of each target `clean --remote` keeps, the latest ones."),
        "keep_days": Setting(30, "For how many days `clean --remote` keeps each image; at least one."),
    },
    "store": {
        "remote": Setting(
            "",
            "Where results and bytes are shared: s3://bucket/prefix; for builds on CodeBuild that of "
            "[codebuild] if not given.",
        ),
        "upload": Setting(
            False, "Whether what is built here goes to the remote store; needs the right to write results."
        ),
        "max_gb": Setting(
            20,
            "How much of this machine's disk its store may take, in GB (1,000,000,000 bytes), beside what "
            "was used in the last day and what lambdabuild-out holds; the longest unused goes first.",
        ),
        "keep_days": Setting(
            7,
            "For how many days `clean --remote` keeps each result and blob of the remote store; at least "
            "one.",
        ),
    },
    "guard": {
        "enabled": Setting(
            True, "Whether sources are searched for secrets and surprises before they leave this machine."
        ),
        "detectors": Setting(
            (
                "private-key",
                "aws-key",
                "azure-key",
                "github-token",
                "gitlab-token",
                "mailchimp-key",
                "npm-token",
                "openai-key",
                "pypi-token",
                "sendgrid-key",
                "slack-token",
                "square-secret",
                "stripe-key",
            ),
            "The credentials that are searched for; there are basic-auth and jwt as well.",
        ),
        "max_file_mb": Setting(100, "The size of a source that is surprising, in MB (1,000,000 bytes)."),
        "max_layer_mb": Setting(
            500, "The size of the sources of one layer or context that is surprising, in MB, unpacked."
        ),
    },
    "executor": {
        "default": Setting("local", "Where actions run without --executor.", ("local", "codebuild")),
        "engine": Setting(
            "auto",
            "What builds Dockerfiles on this machine; the first that works, docker before buildah, if auto.",
            ("auto", "docker", "buildah"),
        ),
    },
    "codebuild": {
        "project": Setting("", "The CodeBuild project, as `lambdabuild bootstrap` made it."),
        "bucket": Setting("", "The S3 bucket of the remote store."),
        "prefix": Setting("lambdabuild", "What the keys of the remote store begin with."),
        "account": Setting(
            "", "The AWS account, twelve digits, that has to own the bucket; any if not given."
        ),
        "region": Setting("", "The AWS region; what the AWS CLI is configured for if not given."),
        "concurrency": Setting(1, "How many builds may be under way at once."),
        "lambda_project": Setting(
            "", "The project on Lambda compute, for orders of less than ten minutes; none if not given."
        ),
        "prices": Setting("", "A TOML file with other prices than the listed ones: a path in the workspace."),
    },
    "deploy": {
        "region": Setting("", "The region of the functions; that of [codebuild] if not given."),
        "account": Setting(
            "", "The account of the functions, twelve digits; that of [codebuild] if not given, or else any."
        ),
        "publish": Setting(False, "Whether `deploy` publishes a version of each function."),
        "alias": Setting(
            "", "The alias that `deploy` points at the version that it publishes; none if not given."
        ),
    },
}

DEFINE = "define"
"""The table whose keys are the variables in names of functions: [define] stage = "dev"."""

IMAGE_SETTINGS: Mapping[str, Setting] = {
    "ref": Setting("", "The image in its registry, such as public.ecr.aws/lambda/python:3.12."),
    "python": Setting(
        "", "The version of Python inside, such as 3.12; found by `lambdabuild lock` if not given."
    ),
    "libc": Setting(
        "", "The C library inside, such as glibc 2.34; found by `lambdabuild lock` if not given."
    ),
}
"""The keys of a table [images.NAME], which declares the external image @NAME."""

SECRET_SETTINGS: Mapping[str, Setting] = {
    "env": Setting("", "The environment variable that holds the value, for builds on this machine."),
    "file": Setting(
        "", "The file that holds the value, for builds on this machine; ~ is the home directory."
    ),
    "arn": Setting(
        "",
        "The secret of Secrets Manager, or parameter of SSM, that holds the value for builds on CodeBuild.",
    ),
}
"""The keys of a table [secrets.ID], which declares a secret that Dockerfiles can mount."""

SECRET_ID = "[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"  # noqa: S105  (a pattern)
"""What the ID of such a table is, as a regular expression. Neither a comma nor '=' may be in it: see
`aws.secret_values.listed`."""
