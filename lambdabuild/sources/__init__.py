"""A view of the workspace's files: listing, reading, globs, digests.

Loading, globs and hashing see files only through this view, and it records
what they saw: those records say when an earlier answer still holds. There are
two: the working tree, and a revision of git, which has a module of its own
(git_tree) that is imported only where one is asked for.
"""

from lambdabuild.sources.glob import glob
from lambdabuild.sources.view import (
    BUILD_FILES,
    Kind,
    SourceError,
    View,
    not_a_file,
    outline_of,
    walk_directories,
)
from lambdabuild.sources.working_tree import WorkingTree

__all__ = [
    "BUILD_FILES",
    "Kind",
    "SourceError",
    "View",
    "WorkingTree",
    "glob",
    "not_a_file",
    "outline_of",
    "walk_directories",
]
