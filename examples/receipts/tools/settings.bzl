"""A rule of this workspace: settings that a function reads from a JSON file."""

load("@lambdabuild//rules:files.bzl", "FilesInfo")

def _settings(ctx):
    if not ctx.attr.values:
        ctx.fail("values", "is empty", "add what the function reads, or drop the target")
    file = ctx.actions.write(ctx.label.name + ".json", json.encode(ctx.attr.values) + "\n")
    places = {ctx.attr.dest + "/" + file.basename: file}
    return [
        DefaultInfo(files = places),
        FilesInfo(places = places, layer = ctx.actions.layer(places)),
    ]

settings = rule(
    implementation = _settings,
    doc = "A JSON file with `values`, at dest/<name>.json in an image.",
    attrs = {
        "values": attr.string_dict(mandatory = True, doc = "What the file holds."),
        "dest": attr.string(default = "var/task", doc = "The directory in the image."),
    },
)
