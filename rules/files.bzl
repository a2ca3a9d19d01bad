"""files: sources at a place in an image, and how places are written."""

FilesInfo = provider(
    doc = "Files at places in an image, as one layer.",
    fields = {
        "places": "dict from place in the image (no leading slash) to file",
        "layer": "the layer that holds them (struct of blob and descriptor)",
    },
)

TASK_ROOT = "var/task"

def join_place(directory, path):
    """Returns `path` in `directory`; a path with a leading slash stands for itself."""
    if path.startswith("/"):
        return path[1:]
    directory = directory.strip("/")
    return directory + "/" + path if directory else path

def _stripped(ctx, name, prefix):
    if not prefix:
        return name
    prefix = prefix.strip("/") + "/"
    if not name.startswith(prefix):
        ctx.fail("strip_prefix", "%r does not begin %s" % (prefix, name), "drop it, or leave the file to another target")
    return name[len(prefix):]

def place_sources(ctx, sources, dest, strip_prefix = "", mode = "auto"):
    """Returns a dict from place to file for what a `sources` attribute named.

    Without places of its own, a file keeps its path in its package, below `dest`.
    """
    placed = {}
    for source in sources:
        wishes = source.places or [None]
        for file in source.files:
            for wish in wishes:
                if wish == None:
                    place = join_place(dest, _stripped(ctx, file.name, strip_prefix))
                elif wish.endswith("/"):
                    place = join_place(dest, wish + file.basename)
                else:
                    if len(source.files) > 1:
                        ctx.fail(
                            "srcs",
                            "gives one place, %r, to the %d files of %s" % (wish, len(source.files), source.label),
                            "end the place with '/' to name a directory",
                        )
                    place = join_place(dest, wish)
                if place in placed and placed[place].path != file.path:
                    ctx.fail(
                        "srcs",
                        "puts both %s and %s at /%s" % (placed[place].path, file.path, place),
                        "give one of them another place",
                    )
                placed[place] = with_mode(file, mode) if mode != "auto" else file
    return placed

def _files(ctx):
    places = place_sources(ctx, ctx.sources.srcs, ctx.attr.dest, ctx.attr.strip_prefix, ctx.attr.mode)
    layer = ctx.actions.layer(places) if places else None
    return [DefaultInfo(files = places), FilesInfo(places = places, layer = layer)]

files = rule(
    implementation = _files,
    doc = "Files at a place in an image: a layer of their own, shared by all images that name it in srcs.",
    attrs = {
        "srcs": attr.sources(
            mandatory = True,
            allow_files = True,
            doc = "The files: a list, or a dict from each to its place (or a list of places) below dest.",
        ),
        "dest": attr.string(default = TASK_ROOT, doc = "The directory in the image, such as opt/python."),
        "strip_prefix": attr.string(doc = "What to take off the front of each file's path in its package."),
        "mode": attr.string(
            default = "auto",
            values = ["auto", "0644", "0755"],
            doc = "0644, 0755, or auto: as the executable bit of each file says.",
        ),
    },
)
