"""Container images as values: layers, manifests, configs, and where they are kept.

    errors            ImageError
    digest            OciDigest, sha256 as registries spell it
    media_types       the two families of media types
    documents         strict JSON: manifests and configs from outside, and our own
    tar, layer        files -> a deterministic tar -> a compressed layer
    manifest, config  an image's two documents, read and made
    image             an image as a value; a change makes a new one
    layout            images -> a directory that podman and skopeo read
    docker_archive    an image -> what `docker load` reads
    layer_reader, rootfs, unpack   layers -> a directory
    layer_files       layers, streamed -> what is at some paths
    registry          images from and to registries

Absent: labels, targets, keys, stores. This package knows no builds, and
imports nothing of lambdabuild but its errors.
"""
