"""Orders sys.path as AWS's Python images do, and only then starts the runtime client.

While PYTHONPATH is unset, layers' packages come before the runtime's, and their
.pth files count:

    /var/task, /opt/python/lib/pythonX.Y/site-packages, /opt/python, /var/runtime, stdlib

With PYTHONPATH set, Python's own order stays, and only the function's code goes first:

    /var/task, /var/runtime, PYTHONPATH, stdlib

This file lies in /var/runtime, which is therefore on sys.path from the start.
"""

import importlib
import os
import site
import sys

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
LAYERS = (f"/opt/python/lib/{VERSION}/site-packages", "/opt/python")


def main() -> None:
    """Never returns: the client asks for events until it is killed."""
    if "PYTHONPATH" in os.environ:
        sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    else:
        sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], *LAYERS]
        for directory in LAYERS:
            site.addsitedir(directory)
        # A Python that the handler starts finds the runtime's packages too.
        os.environ["PYTHONPATH"] = os.environ["LAMBDA_RUNTIME_DIR"]
    # The client chooses by it whether its wait for events can be interrupted.
    os.environ.setdefault("AWS_EXECUTION_ENV", f"AWS_Lambda_{VERSION}")
    client = importlib.import_module("awslambdaric.__main__")
    client.main([sys.argv[0], os.environ["_HANDLER"]])


if __name__ == "__main__":
    main()
