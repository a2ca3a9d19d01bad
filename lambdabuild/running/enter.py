"""Becomes another program, with another root directory and user.

usage: enter.py ROOT WORKING_DIR UID GID ENVIRONMENT PROGRAM [ARGUMENT...]

ENVIRONMENT is a file that holds the program's whole environment as a JSON
object, or "" for this program's own.

A program of its own and not a function between fork and exec, because those
must not be Python in a process with threads. Imports nothing of lambdabuild.
"""

import json
import os
import sys
import warnings  # noqa: F401 (os.execvpe imports it, by when there is another root)


def main(arguments: list[str]) -> None:
    """Returns never, or raises SystemExit with the reason."""
    root, working_dir, uid, gid, environment, *command = arguments
    try:
        variables = dict(os.environ)
        if environment:
            with open(environment, encoding="utf-8") as file:
                variables = json.load(file)
        os.chroot(root)
        os.chdir(working_dir)
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    except OSError as error:
        sys.exit(f"lambdabuild-enter: {error}")
    try:
        os.execvpe(command[0], command, variables)  # noqa: S606
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
