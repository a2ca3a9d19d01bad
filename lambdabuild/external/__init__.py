"""External images: bases from registries that builds stand on without fetching them.

    pins        a Pin: an image's documents for one platform, fixed by digest
    lock_file   WORKSPACE.lock: pins as TOML, and back
    declaring   WORKSPACE.toml with more of them
    registries  [registry] mirrors, and where the layers of pins are
    contents    which Python and C library an image's layers hold
    pinning     the registry -> pins; pins that their registry has moved away from

Absent: targets and rules, which only see what is pinned. Nothing here is asked
of a registry but by `lambdabuild lock` and for layers whose bytes are needed.
"""
