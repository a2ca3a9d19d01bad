"""A pyproject.toml -> the python_package that builds it, its sources as its backend takes them.

Backends are not run. Where their tables say what they take, that counts; else
the layouts count that all of them find by themselves: src/, a directory or a
module of the package's name. Tests within are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lambdabuild.migrating.rendering import Draft, Files, Glob, Value
from lambdabuild.python.project import Project
from lambdabuild.sources import BUILD_FILES, Kind, View, walk_directories
from lambdabuild.toml_file import TomlFile

_NATIVE = ("maturin", "mesonpy", "scikit_build_core", "sipbuild")
_LICENCES = re.compile(r"(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS).*", re.IGNORECASE)
_SETUPTOOLS = ("setup.py", "setup.cfg", "MANIFEST.in")
_HATCH_HOOK = "hatch_build.py"
_NO_CODE = {
    *("build", "dist", "docs", "examples", "infra", "node_modules", "scripts", "src", "test", "tests"),
    *("benchmarks", "bin", "env", "venv", "tools", "lambdabuild-out"),
}


@dataclass(frozen=True, slots=True)
class PackageDraft:
    """A python_package to be written.

    name:  of the package, normalised.
    roots: directories and modules that hold its code, as paths in the workspace.
    requires: names that it requires on any system, without extras.
    """

    draft: Draft
    name: str
    roots: tuple[str, ...]
    requires: frozenset[str] = frozenset()


def package_draft(view: View, file: TomlFile, directory: str) -> PackageDraft | None:
    """Returns the target for a pyproject.toml; None if nothing in its directory is a package.

    Raises UserError for one that lambdabuild cannot build.
    """
    from lambdabuild.python.project import parse_project  # only for those who have packages

    if "build-system" not in file.document and not _code(view, file, directory, _plain_name(file)):
        return None  # a workspace of uv, or settings under [project]
    project = parse_project(file.path, file.text.encode())
    roots = _code(view, file, directory, project.name)
    if not roots and not (roots := _all_code(view, directory)):
        return None
    attributes: dict[str, Value] = {"srcs": _sources(view, file, project, directory, roots)}
    comments: tuple[str, ...] = ()
    if project.version_from_git:
        attributes["version"] = "0.0.0"
        comments = (f"{project.version_from_git} would ask git for the version, which no image needs.",)
    if project.build_backend.split(".")[0].split(":")[0] in _NATIVE:
        attributes["native"] = True
    name = directory.rpartition("/")[2] or project.name.replace("-", "_")
    draft = Draft(directory, name, "python_package", attributes, comments)
    paths = tuple(f"{directory}/{root}".lstrip("/") for root in roots)
    return PackageDraft(draft, project.name, paths, plain_requires(project))


def plain_requires(project: Project) -> frozenset[str]:
    """Returns the names that a package requires in any case, normalised."""
    from packaging.utils import canonicalize_name

    from lambdabuild.python.requirements import parse_requirement

    wanted = map(parse_requirement, project.requires)
    return frozenset(canonicalize_name(each.name) for each in wanted if not each.marker)


def _plain_name(file: TomlFile) -> str:
    project = file.document.get("project")
    name = project.get("name") if isinstance(project, dict) else None
    return name if isinstance(name, str) else ""


def _sources(view: View, file: TomlFile, project: Project, directory: str, roots: list[str]) -> Files:
    listing = view.listing(directory)
    trees = [root for root in roots if view.kind(_joined(directory, root)) is Kind.DIRECTORY]
    names = {root for root in roots if root not in trees}
    named = [path for _, path in project.files] + list(_version_files(file))
    names.update(path for path in named if view.kind(_joined(directory, path)) is Kind.FILE)
    names.update(name for name, kind in listing.items() if _LICENCES.fullmatch(name) and kind is Kind.FILE)
    helpers = (*_SETUPTOOLS, _HATCH_HOOK)
    names.update(name for name in helpers if listing.get(name) is Kind.FILE)
    for path in project.backend_path:
        if path != ".":
            trees.append(path)
        else:
            backend = project.build_backend.split(":")[0].split(".")[0]
            names.update({f"{backend}.py"} & listing.keys())
    trees = sorted(set(trees))
    outside = [name for name in names if not any(f"{name}/".startswith(f"{tree}/") for tree in trees)]
    globs = (_glob(view, directory, trees),) if trees else ()
    return Files(globs, tuple(sorted(outside)))


def _glob(view: View, directory: str, trees: list[str]) -> Glob:
    tests = any(_has_tests(view, _joined(directory, tree)) for tree in trees)
    return Glob(
        tuple("**" if tree == "." else f"{tree}/**" for tree in trees),
        tuple("**/tests/**" if tree == "." else f"{tree}/**/tests/**" for tree in trees) if tests else (),
    )


def _has_tests(view: View, directory: str) -> bool:
    below = (path for path in walk_directories(view, directory) if path != directory)
    return any(path.rpartition("/")[2] == "tests" for path in below)


def _code(view: View, file: TomlFile, directory: str, name: str) -> list[str]:
    """Returns the directories and modules, relative to `directory`, that the backend takes."""
    said = [root for root in _said(file) if view.kind(_joined(directory, root)) is not None]
    if said:
        return sorted(set(said))
    module = re.sub(r"[-.]+", "_", name)
    listing = view.listing(directory)
    if listing.get("src") is Kind.DIRECTORY:
        return ["src"]
    folded = {each.lower(): each for each in listing}
    for wanted in (module.lower(), f"{module.lower()}.py"):
        found = folded.get(wanted)
        if found and listing[found] in (Kind.DIRECTORY, Kind.FILE):
            return [found]
    return _importable(view, directory)


def _importable(view: View, directory: str) -> list[str]:
    """Returns the directories of a flat layout that hold an __init__.py."""
    return [
        name
        for name, kind in view.listing(directory).items()
        if kind is Kind.DIRECTORY
        and view.enters(name)
        and name not in _NO_CODE
        and view.kind(_joined(directory, f"{name}/__init__.py")) is Kind.FILE
        and not any(
            view.kind(_joined(directory, f"{name}/{each}")) for each in ("pyproject.toml", *BUILD_FILES)
        )
    ]


def _all_code(view: View, directory: str) -> list[str]:
    """Returns the modules beside pyproject.toml, where nothing better is known."""
    return [
        name
        for name, kind in view.listing(directory).items()
        if kind is Kind.FILE and name.endswith(".py") and name not in _SETUPTOOLS
    ]


def _said(file: TomlFile) -> Iterator[str]:
    """Yields the directories and modules that the backend's own table names, relative, without wildcards."""
    tool = file.document.get("tool")
    for path in _named(tool if isinstance(tool, dict) else {}):
        path = path.strip("/").removeprefix("./")
        path = path.split("*")[0].rstrip("/") if "*" in path else path
        if path and ".." not in path.split("/"):
            yield path


def _named(tool: dict[str, Any]) -> Iterator[str]:
    for path in ("packages", "include", "only-include"):
        yield from _strings(_at(tool, "hatch", "build", "targets", "wheel", path))
    yield from _strings(list(_at(tool, "hatch", "build", "targets", "wheel", "force-include") or ()))
    setuptools = _at(tool, "setuptools") or {}
    where = _strings(_at(setuptools, "packages", "find", "where"))
    root = _at(setuptools, "package-dir", "")
    base = f"{root}/" if isinstance(root, str) and root else ""
    yield from where
    if not where:
        yield from (base + each.split(".")[0] for each in _strings(setuptools.get("packages")))
    yield from (f"{base}{each}.py" for each in _strings(setuptools.get("py-modules")))
    flit = _at(tool, "flit", "module", "name")
    if isinstance(flit, str):
        yield from (f"{prefix}{flit}{suffix}" for prefix in ("", "src/") for suffix in ("", ".py"))
    for each in _at(tool, "poetry", "packages") or []:
        if isinstance(each, dict) and isinstance(each.get("include"), str):
            yield "/".join(filter(None, (each.get("from", ""), each["include"])))
    uv = _at(tool, "uv", "build-backend") or {}
    if "module-name" in uv or "module-root" in uv:
        names = uv.get("module-name") or []
        for name in _strings([names] if isinstance(names, str) else names) or [""]:
            yield "/".join(filter(None, (uv.get("module-root", "src"), name.replace(".", "/"))))


def _version_files(file: TomlFile) -> Iterator[str]:
    tool = file.document.get("tool")
    tool = tool if isinstance(tool, dict) else {}
    path = _at(tool, "hatch", "version", "path")
    if isinstance(path, str):
        yield path
    for value in (_at(tool, "setuptools", "dynamic") or {}).values():
        files = value.get("file") if isinstance(value, dict) else None
        yield from _strings([files] if isinstance(files, str) else files)


def _at(table: Any, *keys: str) -> Any:
    """Returns what is at `keys`, or None where a table on the way is none."""
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _strings(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _joined(directory: str, path: str) -> str:
    return "/".join(filter(None, (directory, "" if path == "." else path)))
