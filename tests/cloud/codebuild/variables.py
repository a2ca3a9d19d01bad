"""The environment variables that CodeBuild sets in a build.

"Environment variables in build environments" of the user guide. Absent: those of batches, webhooks, and
the credentials endpoint of the container, in whose place the stand-in sets keys.
"""

from __future__ import annotations

from .model import Document


def variables(build: Document, source: str) -> dict[str, str]:
    """Returns the project's and the build's own variables, CodeBuild's last. source: path in the build."""
    project_arn = f"{build['arn'].rpartition(':build/')[0]}:project/{build['projectName']}"
    region = build["arn"].split(":")[3]
    plain = {each["name"]: each["value"] for each in build["environment"].get("environmentVariables", [])}
    location = build["source"].get("location", "")
    return plain | {
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "CODEBUILD_BUILD_ARN": build["arn"],
        "CODEBUILD_BUILD_ID": build["id"],
        "CODEBUILD_BUILD_IMAGE": build["environment"]["image"],
        "CODEBUILD_BUILD_NUMBER": str(build["buildNumber"]),
        "CODEBUILD_INITIATOR": build["initiator"],
        "CODEBUILD_KMS_KEY_ID": build["encryptionKey"],
        "CODEBUILD_LOG_PATH": build["id"].partition(":")[2],
        "CODEBUILD_PROJECT_ARN": project_arn,
        "CODEBUILD_RESOLVED_SOURCE_VERSION": "",
        "CODEBUILD_SOURCE_REPO_URL": location,
        "CODEBUILD_SOURCE_VERSION": build.get(
            "sourceVersion", f"arn:aws:s3:::{location}" if location else ""
        ),
        "CODEBUILD_SRC_DIR": source,
        "CODEBUILD_START_TIME": str(int(build["startTime"] * 1000)),
    }
