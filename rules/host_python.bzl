"""host_python_image: a base from the Python that runs lambdabuild, to try things out."""

def _host_python_image(ctx):
    host = ctx.actions.host_python()
    config = host.config
    note = "CPython %s of the machine that built this image, %s: for trying out and tests, not for AWS" % (
        config["version"],
        config["libc"],
    )
    image = ctx.actions.image(
        base = None,
        layers = [host.layer],
        python = ".".join(config["version"].split(".")[:2]),
        libc = config["libc"],
        env = config["env"],
        labels = {"dev.lambdabuild.host-python": note},
        entrypoint = config["entrypoint"],
        working_dir = config["working_dir"],
    )
    return [DefaultInfo(files = {"manifest.json": image.manifest, "config.json": image.config}), image]

host_python_image = rule(
    implementation = _host_python_image,
    doc = "A base image that starts as AWS's Python images do, made from the CPython that runs lambdabuild. " +
          "Linux only; its results never leave the machine.",
    attrs = {},
)
