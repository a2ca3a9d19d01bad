"""python_requirements: third-party packages that images share."""

RequirementsInfo = provider(
    doc = "Third-party requirements.",
    fields = {"requirements": "list of PEP 508 strings"},
)

def _python_requirements(ctx):
    return [RequirementsInfo(requirements = ctx.attr.requirements)]

python_requirements = rule(
    implementation = _python_requirements,
    doc = "Third-party requirements under a name. Which wheels they are, python.lock says.",
    attrs = {
        "requirements": attr.string_list(
            mandatory = True,
            doc = "PEP 508 requirements, such as boto3>=1.34 or pydantic[email]; python_version >= '3.11'.",
        ),
    },
)
