"""A tree -> the files that should be written in it, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lambdabuild.errors import UserError
from lambdabuild.evaluation import Say
from lambdabuild.external.declaring import with_images
from lambdabuild.migrating.drafting import Drafting, LeftOut
from lambdabuild.migrating.existing import existing
from lambdabuild.migrating.images import ImageDraft
from lambdabuild.migrating.proof import failures
from lambdabuild.migrating.rendering import Draft, Files, build_text
from lambdabuild.migrating.sharing import Shared
from lambdabuild.migrating.survey import survey
from lambdabuild.sources import BUILD_FILES, View
from lambdabuild.toml_file import toml_string
from lambdabuild.workspace import FILE_NAME, Workspace, load_workspace

_EMPTY = "Files of this package are named in other BUILD files."


@dataclass(frozen=True, slots=True)
class Proposal:
    """What should be written.

    files:    path -> text, of files that are new or change.
    before:   path -> text, of those of them that are there.
    drafts:   the targets in them, by label.
    images:   what is to be said of those that are images.
    shared:   the bases of several images, whether they are among them or there already.
    kept:     BUILD file that stays as it is -> targets that it lacks.
    left_out: what is not declared, and why.
    broken:   files that could not be read, and targets that would not build.
    declared: how many targets were there already.
    """

    files: Mapping[str, str]
    before: Mapping[str, str]
    drafts: tuple[Draft, ...]
    images: tuple[ImageDraft, ...]
    shared: tuple[Shared, ...]
    kept: Mapping[str, tuple[Draft, ...]]
    left_out: tuple[LeftOut, ...]
    broken: tuple[UserError, ...]
    declared: int


def propose(view: View, workspace: Workspace | None, say: Say, *, keep_dockerfiles: bool = False) -> Proposal:
    """Returns what should be written below `view`'s root; `say` gets what BUILD files print.

    workspace: with its settings; None where there is no WORKSPACE.toml.
    keep_dockerfiles: declare every image with its Dockerfile.
    """
    settings = workspace or _settings(view.root, _workspace_text(view.root))
    found = survey(view)
    there = existing(settings, view, found.build_files, say)
    drafting = Drafting(view, settings, found, there, keep_dockerfiles)
    drafting.run()
    return _proven(drafting, workspace, say)


def _proven(drafting: Drafting, workspace: Workspace | None, say: Say) -> Proposal:
    """Returns what is left when all that would not build is taken away."""
    broken = list(drafting.broken)
    drafts = drafting.all_drafts()
    while True:
        drafts = _needed(drafting, drafts)
        files = _files(drafting, drafts, workspace)
        text = files.get(FILE_NAME)
        settings = drafting.settings
        if text:
            settings = replace(settings, images=_settings(drafting.view.root, text).images)
        data = {path: text.encode() for path, text in files.items()}
        wrong = failures(settings, drafting.view, data, drafts, say)
        if not wrong:
            break
        first = {str(error): error for error in wrong.values()}
        broken += [error for error in first.values() if error not in broken]
        drafts = [each for each in drafts if (each.package, each.name) not in wrong]
    kept = {id(each) for each in drafts}
    shared = tuple(each for each in drafting.shared if each.draft is None or id(each.draft) in kept)
    before = {path: _text(drafting.view, path) for path in files if drafting.view.kind(path) is not None}
    return Proposal(
        files=files,
        before=before,
        drafts=tuple(sorted(drafts, key=lambda each: (each.package, each.name))),
        images=tuple(each for each in drafting.images if id(each.draft) in kept),
        shared=shared,
        kept={path: tuple(drafting.kept[path]) for path in sorted(drafting.kept)},
        left_out=tuple(drafting.left_out),
        broken=tuple(broken),
        declared=drafting.declared,
    )


def _needed(drafting: Drafting, drafts: Iterable[Draft]) -> list[Draft]:
    """Returns the drafts without bases that nothing of them stands on any more."""
    found = list(drafts)
    bases = {id(each.draft) for each in drafting.shared if each.draft}
    named = {each.attributes.get("base") for each in found}
    return [each for each in found if id(each) not in bases or each.label in named]


def _files(drafting: Drafting, drafts: Iterable[Draft], workspace: Workspace | None) -> dict[str, str]:
    """Returns path -> text of the BUILD files, and of WORKSPACE.toml if that is new or changes."""
    packages: dict[str, list[Draft]] = {}
    for draft in drafts:
        packages.setdefault(draft.package, []).append(draft)
    files = {_build_path(drafting.view, each): build_text(made) for each, made in packages.items()}
    if not packages:
        return {}
    for package in _named_packages(packages) - packages.keys() - drafting.found.build_files.keys():
        files[_build_path(drafting.view, package)] = f"# {_EMPTY}\n"
    needed = _references(drafting, packages)
    if workspace is None:
        files[FILE_NAME] = with_images(_workspace_text(drafting.view.root), needed)
    else:
        new = {name: ref for name, ref in needed.items() if name not in workspace.images}
        if new:
            files[FILE_NAME] = with_images(_text(drafting.view, FILE_NAME), new)
    return dict(sorted(files.items()))


def _named_packages(packages: Mapping[str, list[Draft]]) -> set[str]:
    """Returns the packages of which `srcs` of the targets name files or targets."""
    named = set()
    for draft in (each for made in packages.values() for each in made):
        srcs = draft.attributes.get("srcs")
        labels = srcs.names if isinstance(srcs, Files) else srcs if isinstance(srcs, Mapping) else ()
        named |= {label[2:].partition(":")[0] for label in labels if label.startswith("//")}
    return named


def _references(drafting: Drafting, packages: Mapping[str, list[Draft]]) -> dict[str, str]:
    """Returns name -> reference of the external images that the targets name, sorted."""
    labels = {draft.attributes.get("base") for made in packages.values() for draft in made}
    built = {(draft.package, draft.name) for made in packages.values() for draft in made}
    paths = {e.dockerfile for e in drafting.images if (e.draft.package, e.draft.name) in built}
    named = {reference for path in paths for reference in drafting.readings[path].references}
    return {
        name: reference
        for name, reference in sorted((name, reference) for reference, name in drafting.references.items())
        if f"@{name}" in labels or reference in named
    }


def _build_path(view: View, package: str) -> str:
    """Returns where a BUILD file goes: beside a `build`, on file systems without case, BUILD.lambda."""
    names = view.listing(package) if view.kind(package) is not None else ()
    collides = any(name.lower() == "build" for name in names)
    return "/".join(filter(None, (package, BUILD_FILES[0] if collides else BUILD_FILES[1])))


def _text(view: View, path: str) -> str:
    return view.read(path).decode(errors="replace")


def _workspace_text(root: Path) -> str:
    """Returns a WORKSPACE.toml for a workspace that has none."""
    return f"[workspace]\nname = {toml_string(root.name)}\n"


def _settings(root: Path, text: str) -> Workspace:
    """Returns the settings of a WORKSPACE.toml with that text."""
    return load_workspace(root, env={}, data=text.encode())
