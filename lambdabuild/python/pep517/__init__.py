"""A wheel from sources: the project's own build backend, in an environment that python.lock fixes.

PEP 517 (build backends) and PEP 518 (build requirements), by PyPA's
`pyproject_hooks`. The backend runs on this machine, with its Python, and sees its
sources, the locked wheels and a small fixed set of variables.

    sources      the files of a project, as a backend gets to see them
    sdist        a source distribution -> such files
    environment  locked wheels -> a virtual environment, made once and kept
    furnish      what is put into a new one
    hooks        sources, backend and environment -> a wheel
    outcome      what a backend printed -> why it failed
    wheel_name   the file name that a wheel gives itself
    process      runs a program that can be stopped
    user         what a backend may use that runs as another user

Absent: resolving build requirements (the lock did that), and a sandbox: a backend
can read what its user can, and use the network.
"""
