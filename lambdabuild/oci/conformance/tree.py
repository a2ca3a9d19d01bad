"""The tree that layers make, in memory: kinds and modes, no bytes.

Does what `rootfs` does on disk, by the same rules (image-spec, layer.md,
"Applying Changesets"): an entry replaces what was there, a directory keeps its
contents, a symlink that is a parent is followed within the root, and a
whiteout hides what lower layers have. Nothing is refused here: what is wrong
with an entry, `entries` says before it is applied.

Absent: owners, times, contents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.rootfs import MAX_LINKS

Kind: TypeAlias = Literal["file", "directory", "symlink", "other"]
Path: TypeAlias = tuple[str, ...]

MAX_NODES: Final = 3_000_000
"""Files and directories that are kept in mind, at some 300 bytes each. Ten times what a 10 GB image has."""


class Node:
    """A file, a directory, a symlink, or something else (device, FIFO).

    mode:    permission bits, as in chmod.
    target:  of a symlink.
    layer:   index of the layer that made it as it is.
    touched: index of the last layer that has an entry for it or below it.
    """

    __slots__ = ("children", "kind", "layer", "mode", "target", "touched")

    def __init__(self, kind: Kind, mode: int, layer: int, target: str = "") -> None:
        self.kind = kind
        self.mode = mode
        self.target = target
        self.layer = self.touched = layer
        self.children: dict[str, Node] = {}


class Tree:
    """The tree of the layers that were applied so far. ImageError if it becomes larger than `max_nodes`."""

    def __init__(self, max_nodes: int = MAX_NODES) -> None:
        self._max_nodes = max_nodes
        self.root = Node("directory", 0o755, -1)
        self.layer = -1
        self._nodes = 0

    def begin_layer(self, index: int) -> None:
        """From here on, what is made belongs to the layer of this index."""
        self.layer = index

    def put(self, path: Path, kind: Kind, mode: int, target: str = "") -> None:
        """Makes an entry, and directories above it that are missing (mode 0755)."""
        parent = self._claim(path[:-1])
        if not path:
            self.root.mode, self.root.layer = mode, self.layer
        elif parent is not None:
            old = parent.children.get(path[-1])
            node = self._new(kind, mode, target)
            if kind == "directory" and old is not None and old.kind == "directory":
                node.children = old.children
            parent.children[path[-1]] = node

    def link(self, path: Path, target: Path) -> None:
        """Makes another name for the file at `target`, if there is one."""
        node, parent = self.find(target), self._claim(path[:-1])
        if node is not None and node.kind != "directory" and path and parent is not None:
            node.touched = self.layer
            parent.children[path[-1]] = node

    def hide(self, path: Path) -> None:
        """Removes what lower layers have at `path` and below it."""
        steps = self.trace(path[:-1], follow=True)
        if steps and path and path[-1] in steps[-1].children:
            self._hide([(steps[-1], path[-1])])

    def hide_contents(self, path: Path) -> None:
        """Removes what lower layers have below `path`."""
        steps = self.trace(path, follow=True)
        if steps:
            self._hide([(steps[-1], name) for name in steps[-1].children])

    def find(self, path: Path, *, follow: bool = False) -> Node | None:
        """Returns what is at `path`; parents that are symlinks are followed, the last one if asked to."""
        steps = self.trace(path, follow=follow)
        return steps[-1] if steps else None

    def missing_parent(self, path: Path) -> tuple[Path, Node | None] | None:
        """Returns the first parent of `path` that is no directory, and what it is; None if all are."""
        steps = self.trace(path[:-1], follow=True)
        if steps and steps[-1].kind == "directory":
            return None
        for end in range(1, len(path)):
            node = self.find(path[:end], follow=True)
            if node is None or node.kind != "directory":
                return path[:end], node
        return None

    def trace(self, path: Sequence[str], *, follow: bool, make: bool = False) -> list[Node]:
        """Returns what is met on the way to `path`, from the root; [] if nothing is there.

        Symlinks on the way are followed and left out, the last one if asked to. An absolute
        target begins anew at the root, and ".." stops there (path_resolution(7)). make:
        whether to make directories that are missing, also where a symlink leads.
        """
        ahead, walked, links = list(reversed(path)), [self.root], 0
        while ahead:
            name = ahead.pop()
            if name == "..":
                walked = walked[:-1] or walked
                continue
            if name in ("", "."):
                continue
            node = walked[-1].children.get(name)
            if node is None and make and walked[-1].kind == "directory":
                node = walked[-1].children[name] = self._new("directory", 0o755)
            if node is None:
                return []
            if node.kind == "symlink" and (ahead or follow):
                links += 1
                if links > MAX_LINKS:
                    return []
                walked = walked[:1] if node.target.startswith("/") else walked
                ahead.extend(reversed(node.target.split("/")))
            else:
                walked.append(node)
        return walked

    def below(self, path: Path) -> Iterator[tuple[Path, Node]]:
        """Yields what is at `path`, if anything is, and all below it; symlinks there are not followed."""
        found = self.find(path, follow=True)
        ahead = [] if found is None else [(path, found)]
        while ahead:
            here, node = ahead.pop()
            yield here, node
            ahead.extend(
                ((*here, name), child) for name, child in sorted(node.children.items(), reverse=True)
            )

    def _claim(self, path: Path) -> Node | None:
        """Returns the directory `path`, made if missing and touched; None if something else is in the way."""
        steps = self.trace(path, follow=True, make=True)
        if not steps or steps[-1].kind != "directory":
            return None
        for node in steps:
            node.touched = self.layer
        return steps[-1]

    def _hide(self, ahead: list[tuple[Node, str]]) -> None:
        while ahead:
            parent, name = ahead.pop()
            node = parent.children[name]
            if node.touched != self.layer:
                del parent.children[name]
            else:
                ahead.extend((node, below) for below in node.children)

    def _new(self, kind: Kind, mode: int, target: str = "") -> Node:
        self._nodes += 1
        if self._nodes > self._max_nodes:
            raise ImageError(f"the image has more than {self._max_nodes} files")
        return Node(kind, mode, self.layer, target)
