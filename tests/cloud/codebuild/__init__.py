"""A CodeBuild that really builds.

    protocol    JSON 1.1 over HTTP, checked against botocore's service model (model)
    projects, builds    what the operations change and show
    waiting     the queue of an account
    execution   a build's phases; build: its document, and how it ends
    buildspec, source, variables    what a build runs, in which files and environment
    shell, runners, processes       how its commands run
    logs        what they said, to CloudWatch Logs
    service     all of it as one server, with controls for tests

Absent: batches, reports, artifacts, caches, webhooks, fleets, secrets, sources other than S3 zips.
"""

from .projects import Account
from .runners import Docker, Runner, Subprocess
from .service import CodeBuild

__all__ = ["Account", "CodeBuild", "Docker", "Runner", "Subprocess"]
