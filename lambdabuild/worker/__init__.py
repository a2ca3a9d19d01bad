"""What runs inside a build on CodeBuild: an order -> results in the remote store.

    settings    the environment -> which order, in which store
    fetching    the order itself, and the trees of its sources
    order_graph an order as actions with keys, each key computed again
    recording   results as they come: what may be published, and what has to wait
    publishing  bytes, then results, every few seconds
    boundary    an action that breaks in an unforeseen way fails alone
    images      pushes
    events      JSON lines for the log
    outcome     what is left to say when all is done
    work        ties them together

It runs the same tools through the same execution as a build on any machine, and
trusts nobody but the project that started it: keys are computed again, bytes
verified, and no label, path or tree in an order leaves its place.

Absent: workspaces, BUILD files, Starlark, the command line.
"""
