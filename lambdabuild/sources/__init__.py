"""A view of the workspace's files: listing, reading, globs, digests.

Loading, globs and hashing see files only through this view, and it records
what they saw: those records say when an earlier answer still holds. Today
there is one view, the working tree; a git revision will be another.
"""

from lambdabuild.sources.glob import BUILD_FILES, glob
from lambdabuild.sources.working_tree import Kind, SourceError, WorkingTree, not_a_file, walk_directories

__all__ = ["BUILD_FILES", "Kind", "SourceError", "WorkingTree", "glob", "not_a_file", "walk_directories"]
