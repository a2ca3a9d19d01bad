"""Container engines: what runs the steps of a Dockerfile on this machine.

    engine      the protocol, and the order that a build is
    docker      a Docker daemon, with BuildKit
    buildah     buildah, which needs no daemon
    choice      which of them
    process     their programs, run so that they can be stopped
    transcript  what they print, without secrets
    loading     images into a Docker daemon

An engine is a means: what it caches may save time, and never decides what a
result is. Base images go in under tags that name their content and are left there
for the next build; what a build makes goes in under a tag of its own, which is
removed with what hangs on it. Steps that an engine remembers are not run again:
their inputs are the same, and the first result counts, as it does for actions.

Absent: actions and keys; what becomes of the image (`tools.dockerfile`).
"""
