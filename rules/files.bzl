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

def _stripped(ctx, path, prefix):
    if not prefix:
        return path
    prefix = prefix.strip("/")
    if not path.startswith(prefix + "/"):
        ctx.fail(
            "strip_prefix",
            "'%s' is no directory on the way to %s" % (prefix, path),
            "correct it, or leave the file to another target",
        )
    return path[len(prefix) + 1:]

def place_sources(ctx, sources, own_place, dest):
    """Returns a dict from place to file for what a `sources` attribute named.

    own_place: gives the place, below `dest`, of a file for which none is written.
    """
    placed = {}
    for source in sources:
        for file in source.files:
            for wish in source.places or [own_place(file)]:
                if wish.endswith("/"):
                    wish += file.basename
                elif source.places and len(source.files) > 1:
                    ctx.fail(
                        "srcs",
                        "gives one place, '%s', to the %d files of %s" % (wish, len(source.files), source.label),
                        "end the place with '/' to name a directory",
                    )
                place = join_place(dest, wish)
                if place in placed and not same_file(placed[place], file):
                    ctx.fail(
                        "srcs",
                        "puts both %s and %s at /%s" % (placed[place].path, file.path, place),
                        "give one of them another place",
                    )
                placed[place] = file
    return placed

def _files(ctx):
    def own_place(file):
        return _stripped(ctx, file.short_path, ctx.attr.strip_prefix)

    placed = place_sources(ctx, ctx.sources.srcs, own_place, ctx.attr.dest)
    places = {place: with_mode(file, ctx.attr.mode) for place, file in placed.items()}
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
        "strip_prefix": attr.string(
            doc = "What to take off the front of each file's path in the workspace, such as receipts/src. " +
                  "What is left is its path below dest.",
        ),
        "mode": attr.string(
            default = "auto",
            values = ["auto", "0644", "0755"],
            doc = "0644, 0755, or auto: as the executable bit of each file says.",
        ),
        "allow": attr.string_list(
            doc = "What may leave this machine although the guard finds it: paths or globs below the package, each " +
                  "with the kind of finding, as in \"tests/key.pem:private-key\".",
        ),
    },
)
