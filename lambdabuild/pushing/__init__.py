"""Images into registries: what is new, once, and the manifest last.

    names       destinations, repositories and tags that a push goes to
    plan        a ConfiguredGraph -> which images go where, bases among them
    result      what became of one image in one registry
    shelf       the blobs of one registry: each brought once, then mounted
    adoption    the image that a tag has already: ours, or an error
    delivery    one image into one repository
    pusher      all images into all registries, in parallel

Absent: indexes (Lambda takes none), signatures, deletion. The HTTP library is
loaded with `pusher`, not before.
"""
