"""Builds on CodeBuild: what is dirty is split, sent, followed, and taken from the store.

    services, connecting, working   settings -> the store in S3, the project, one build's work
    builder, proposals, ordering,   dirty steps -> orders -> builds -> results
    uploads, claims, reckoning
    environments                    the kinds of environment that builds run in
    scheduling                      which steps travel in which build, by
    groups, staging, packing        ties between them, stages, and room
    estimates                       how long actions took
    lease_table, leases             which orders are under way, and whose they are
    states, builds                  CodeBuild: what it says, what it is asked
    logs, following                 what builds say while they run
    outcomes, outcome_errors        what became of an order, and of what failed in it
    accounting                      what it took, and costs by prices.toml

Absent: rules and evaluation, which end before this begins; the worker, which
carries an order out; and anything that a build's log says of what was done.
"""
