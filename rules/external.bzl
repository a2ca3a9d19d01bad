"""external_image: what WORKSPACE.toml declares in [images.NAME], and WORKSPACE.lock pins."""

def _external_image(ctx):
    if ctx.platform not in ctx.attr.manifests:
        pinned = ", ".join(ctx.attr.manifests.keys())
        ctx.fail(
            "ref",
            "is not pinned for %s in WORKSPACE.lock%s: %s" % (
                ctx.platform,
                ", only for " + pinned if pinned else "",
                ctx.attr.ref,
            ),
            "lambdabuild lock" + (
                ", once %s is among [workspace] platforms or those of a target" % ctx.platform if pinned else ""
            ),
        )
    text = ctx.attr.manifests[ctx.platform]
    manifest = ctx.actions.write("manifest.json", text)
    config = ctx.actions.write("config.json", ctx.attr.configs[ctx.platform])
    layers = [ctx.actions.pull(layer["digest"], layer["size"]) for layer in json.decode(text)["layers"] or []]
    image = ImageInfo(
        manifest = manifest,
        config = config,
        layers = layers,
        python = ctx.attr.python.get(ctx.platform),
        libc = ctx.attr.libc.get(ctx.platform),
        wheels = {},
        packages = {},
        listings = [],
    )
    return [DefaultInfo(files = {"manifest.json": manifest, "config.json": config}), image]

external_image = rule(
    implementation = _external_image,
    doc = "An image of a registry, by the documents that are pinned. WORKSPACE.toml declares it, no BUILD file.",
    attrs = {
        "ref": attr.string(mandatory = True, doc = "The image in its registry."),
        "manifests": attr.string_dict(doc = "Platform -> the manifest's exact text."),
        "configs": attr.string_dict(doc = "Platform -> the config's exact text."),
        "python": attr.string_dict(doc = "Platform -> the version of Python inside, where it is known."),
        "libc": attr.string_dict(doc = "Platform -> the C library inside, where it is known."),
    },
)
