"""base_image and lambda_image: layers on a base, assembled without a daemon."""

load(":files.bzl", "FilesInfo", "TASK_ROOT", "place_sources")

# With more than this, neighbouring `files` targets share a layer: an image has at most 127.
_MAX_SHARED_LAYERS = 40

def _shared_layers(ctx, infos):
    """Returns one layer for each FilesInfo, or for each run of them where there are many."""
    if len(infos) <= _MAX_SHARED_LAYERS:
        return [info.layer for info in infos]
    run = (len(infos) + _MAX_SHARED_LAYERS - 1) // _MAX_SHARED_LAYERS
    layers = []
    for start in range(0, len(infos), run):
        merged = {}
        for info in infos[start:start + run]:
            for place, file in info.places.items():
                if place in merged and not same_file(merged[place], file):
                    ctx.fail("srcs", "puts both %s and %s at /%s" % (merged[place].path, file.path, place))
                merged[place] = file
        layers.append(ctx.actions.layer(merged))
    return layers

def _name_in_package(file):
    return file.name

def _base(ctx):
    """Returns the ImageInfo to build on, or None for none."""
    if ctx.attr.base == "scratch":
        return None
    if ctx.attr.base != "auto":
        return ctx.attr.base[ImageInfo]
    candidates = {label: target[ImageInfo] for label, target in ctx.implied["base"].items()}
    return ctx.actions.choose_base(ctx.attr.packages, ctx.attr.requirements, candidates)

def _bytecode(ctx, python):
    """Returns the version of the Python that compiles what is in the image, or None."""
    version = ctx.attr.bytecode or ctx.bytecode
    fits = python and version.startswith(python + ".")
    if ctx.attr.bytecode and not fits:
        ctx.fail(
            "bytecode",
            "is '%s', and the image's Python is %s" % (version, python or "not known"),
            "write a version of that Python, such as %s.1" % (python or "3.12"),
        )
    return version if version and fits else None

def _packages(ctx, base, python, libc, bytecode):
    """Returns what the image's packages and requirements need beyond its base, or None."""
    if not ctx.attr.packages and not ctx.attr.requirements:
        return None
    if not python or not libc:
        ctx.fail(
            "base",
            "does not say which Python it holds, so no wheels can be chosen",
            "state python = \"3.12\" and libc = \"glibc 2.34\" on the base_image",
        )
    return ctx.actions.packages(ctx.attr.packages, ctx.attr.requirements, base, python, libc, bytecode)

def _module_of(ctx, attribute, handler):
    """Returns the module that a handler names."""
    module, dot, function = handler.rpartition(".")
    if not dot or not module or not function:
        ctx.fail(attribute, "must be module.function, not '%s'" % handler, "write handler = \"handler.lambda_handler\"")
    return module

def _check_module(ctx, attribute, image, module):
    if not ctx.has_module(image, module):
        path = module.replace(".", "/")
        ctx.fail(
            attribute,
            "names the module '%s', but the image has no /var/task/%s.py" % (module, path),
            "add %s.py to srcs, or correct the name" % path,
        )

def _assemble(ctx, cmd, modules = []):
    _no_dockerfile(ctx)
    base = _base(ctx)
    shared = [s.target[FilesInfo] for s in ctx.sources.srcs if FilesInfo in s.target and not s.places]
    own = [s for s in ctx.sources.srcs if FilesInfo not in s.target or s.places]
    layers = _shared_layers(ctx, [info for info in shared if info.layer])
    places = place_sources(ctx, own, _name_in_package, TASK_ROOT)
    python = getattr(ctx.attr, "python", "") or (base.python if base else None)
    bytecode = _bytecode(ctx, python)
    if places:
        layers.append(ctx.actions.layer(places, bytecode = bytecode))
    libc = getattr(ctx.attr, "libc", "") or (base.libc if base else None)
    return ctx.actions.image(
        base = base,
        layers = layers,
        packages = _packages(ctx, base, python, libc, bytecode),
        python = python,
        libc = libc,
        env = ctx.attr.env,
        labels = ctx.attr.labels,
        entrypoint = ctx.attr.entrypoint or None,
        cmd = cmd,
        working_dir = ctx.attr.working_dir or None,
        user = ctx.attr.user or None,
        modules = modules,
    )

def _no_python(ctx):
    """Fails for attributes that would put Python packages onto what a Dockerfile makes."""
    for attribute in ["requirements", "bytecode"]:
        if getattr(ctx.attr, attribute):
            ctx.fail(
                attribute,
                "has no meaning beside dockerfile, whose steps alone make the image",
                "install them in the Dockerfile, or drop dockerfile" if attribute == "requirements" else "drop it",
            )
    if ctx.attr.base in ("auto", "scratch"):
        ctx.fail("base", "cannot be '%s' beside dockerfile" % ctx.attr.base, "name the image that BASE_IMAGE_URI means, or drop base")

def _context(ctx):
    """Returns a dict from workspace path to file for what COPY can take."""
    context = {}
    for source in ctx.sources.srcs:
        if source.places:
            ctx.fail(
                "srcs",
                "gives %s a place, and places are what COPY says" % source.label,
                "write srcs as a list: files are in the context at their paths in the workspace",
            )
        for file in source.files:
            file = with_mode(file, "auto")
            if file.short_path in context and not same_file(context[file.short_path], file):
                ctx.fail("srcs", "has two files at %s" % file.short_path, "drop one of them")
            context[file.short_path] = file
    return context

def _from_dockerfile(ctx, cmd):
    """Returns the image that the target's Dockerfile makes, with what the target says of its config."""
    _no_python(ctx)
    image = ctx.actions.dockerfile(
        _context(ctx),
        base = ctx.attr.base[ImageInfo] if ctx.attr.base else None,
        python = getattr(ctx.attr, "python", "") or None,
        libc = getattr(ctx.attr, "libc", "") or None,
    )
    a = ctx.attr
    if not (a.env or a.labels or a.entrypoint or cmd or a.working_dir or a.user):
        return image
    return ctx.actions.image(
        base = image,
        layers = [],
        env = a.env,
        labels = a.labels,
        entrypoint = a.entrypoint or None,
        cmd = cmd,
        working_dir = a.working_dir or None,
        user = a.user or None,
    )

def _no_dockerfile(ctx):
    """Fails for attributes that speak of a Dockerfile where there is none."""
    for attribute in ["build_args", "target", "secrets"]:
        if getattr(ctx.attr, attribute):
            ctx.fail(attribute, "is about a Dockerfile, and none is named", "add dockerfile = \"Dockerfile\", or drop it")

def _outputs(image):
    return DefaultInfo(files = {"manifest.json": image.manifest, "config.json": image.config})

def _base_image(ctx):
    make = _from_dockerfile if ctx.attr.dockerfile else _assemble
    image = make(ctx, ctx.attr.cmd or None)
    return [_outputs(image), image]

def _lambda_image(ctx):
    if ctx.attr.handler and ctx.attr.cmd:
        ctx.fail("cmd", "cannot be given beside handler, which becomes the image's command")
    named = [("functions", handler) for handler in ctx.attr.functions.values()]
    if ctx.attr.handler:
        named = [("handler", ctx.attr.handler)] + named
    modules = [(attribute, _module_of(ctx, attribute, handler)) for attribute, handler in named]
    cmd = [ctx.attr.handler] if ctx.attr.handler else ctx.attr.cmd or None
    if ctx.attr.dockerfile:
        # What its steps install is not known before they have run.
        image = _from_dockerfile(ctx, cmd)
        return [_outputs(image), image]
    image = _assemble(ctx, cmd, [module for _, module in modules])
    for attribute, module in modules:
        _check_module(ctx, attribute, image, module)
    return [_outputs(image), image]

_IMAGE_ATTRS = {
    "base": attr.label(
        mandatory = True,
        unless = "dockerfile",
        providers = [ImageInfo],
        words = ["scratch", "auto"],
        doc = "The image to build on: a base_image, a host_python_image, an external image such as " +
              "\"@python\", \"scratch\" for none, or \"auto\" for " +
              "the one of [images] auto that holds most of packages and requirements. With dockerfile it is " +
              "what BASE_IMAGE_URI means there, and may be left out.",
    ),
    "dockerfile": attr.dockerfile(
        allow_files = True,
        doc = "The Dockerfile that makes the image. Its context is srcs and the sources of packages, at their paths " +
              "in the workspace, and nothing else.",
    ),
    "build_args": attr.string_dict(doc = "Values of the Dockerfile's ARGs; they are in the image's history."),
    "target": attr.string(doc = "The Dockerfile's stage that is the image; the last if not given."),
    "secrets": attr.string_list(
        doc = "Ids of secrets, [secrets.ID] in WORKSPACE.toml, that RUN --mount=type=secret,id=… of the " +
              "Dockerfile can see while it runs. The hash covers the ids alone.",
    ),
    "srcs": attr.sources(
        allow_files = True,
        doc = "Files and `files` targets: a list, or a dict from each file to its place (or a list of places). " +
              "Places are below /var/task unless they begin with '/'; a `files` target knows its own.",
    ),
    "packages": attr.packages(
        providers = [PackageInfo],
        doc = "python_package and python_requirements targets that go to /opt/python with all they need, but for " +
              "what the base has. Extras stand in brackets: //receipt_label[full].",
    ),
    "requirements": attr.string_list(
        doc = "Third-party requirements, such as pydantic>=2; python.lock says which wheels they are.",
    ),
    "bytecode": attr.string(
        doc = "The exact version of a Python, such as 3.12.7, whose compiled files are added to the image's own " +
              "packages and sources, for a quick cold start; [python] bytecode if not given.",
    ),
    "env": attr.string_dict(doc = "Environment variables, laid over the base's."),
    "labels": attr.string_dict(doc = "Labels of the image's config, laid over the base's."),
    "entrypoint": attr.string_list(doc = "The entrypoint; the base's if not given."),
    "cmd": attr.string_list(doc = "The command; the base's if not given."),
    "working_dir": attr.string(doc = "The working directory; the base's if not given."),
    "user": attr.string(doc = "The user to run as; the base's if not given."),
    "allow": attr.string_list(
        doc = "What may leave this machine although the guard finds it: paths or globs below the package, each with " +
              "the kind of finding, as in \"tests/key.pem:private-key\".",
    ),
    "repository": attr.string(
        doc = "Where it is pushed, below the registry's prefix, such as team/receipts; its package and name if not given.",
    ),
    "platforms": attr.string_list(
        doc = "The platforms it is built for, such as linux/arm64; those of WORKSPACE.toml if not given.",
    ),
}

base_image = rule(
    implementation = _base_image,
    doc = "A container image that other images stand on.",
    attrs = _IMAGE_ATTRS | {
        "python": attr.string(doc = "The version of Python inside, such as 3.12; as the base says if not given."),
        "libc": attr.string(doc = "The C library inside, such as glibc 2.34; as the base says if not given."),
    },
)

lambda_image = rule(
    implementation = _lambda_image,
    doc = "A container image for AWS Lambda functions.",
    attrs = _IMAGE_ATTRS | {
        "handler": attr.string(doc = "What Lambda calls, module.function; it becomes the image's command."),
        "functions": attr.string_dict(doc = "The Lambda functions that the image serves, name -> handler; for `deploy`. Names may have " +
                  "variables, such as receipts-{stage}."),
    },
)
