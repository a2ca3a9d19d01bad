"""The artefact map: what infrastructure code needs to know of images, in the formats that it reads.

    artefact    one image: its URIs, its hash, the functions that it serves
    choice      a ConfiguredGraph -> the images that a map has, without digests
    names       labels -> the names that maps have, by one rule
    formats     a map as text: JSON, dotenv, and what each tool takes
    presence    the digests of images that a registry has

Absent: building and pushing, which `commands` ask of others; the tools
themselves, but for `lambdabuild.pulumi`; values that are secret: whatever is in
a map may be printed, committed and shown.
"""
