"""python_package and python_requirements: what images hold of Python, first-party and third-party."""

def _python_requirements(ctx):
    return [PackageInfo(requirements = ctx.attr.requirements)]

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

def _python_package(ctx):
    pyproject = ctx.files.pyproject[0]
    directory = pyproject.short_path[:-len(pyproject.basename)]
    files = {"pyproject.toml": pyproject}
    for attribute in ["srcs", "data"]:
        for file in getattr(ctx.files, attribute):
            if not file.short_path.startswith(directory):
                ctx.fail(
                    attribute,
                    "holds %s, which is not below %s" % (file.short_path, directory),
                    "a package is built from files beside its pyproject.toml and below",
                )
            path = file.short_path[len(directory):]
            if path in files and not same_file(files[path], file):
                ctx.fail(attribute, "puts both %s and %s at %s" % (files[path].path, file.path, path))
            files[path] = file
    package = ctx.actions.wheel(files, version = ctx.attr.version or None, native = ctx.attr.native)
    return [DefaultInfo(files = {package.wheel.name: package.wheel}), package]

python_package = rule(
    implementation = _python_package,
    doc = "A first-party package: a wheel that its own PEP 517 backend builds from the declared files alone. " +
          "Which other packages it needs, its pyproject.toml says.",
    attrs = {
        "srcs": attr.label_list(
            mandatory = True,
            allow_files = True,
            doc = "All files that the backend needs beside pyproject.toml: modules, README, LICENSE.",
        ),
        "data": attr.label_list(allow_files = True, doc = "More files, such as JSON and fonts: the same as srcs."),
        "pyproject": attr.pyproject(allow_files = [".toml"], doc = "The package's pyproject.toml."),
        "version": attr.string(
            doc = "The version, for a backend that would ask git for it (setuptools-scm, hatch-vcs).",
        ),
        "native": attr.bool(
            doc = "Whether the wheel may be for the building machine's Python and platform alone, " +
                  "as with C extensions. Such a wheel is never shared.",
        ),
        "allow": attr.string_list(
            doc = "What may leave this machine although the guard finds it: paths or globs below the package, each " +
                  "with the kind of finding, as in \"tests/key.pem:private-key\".",
        ),
    },
)
