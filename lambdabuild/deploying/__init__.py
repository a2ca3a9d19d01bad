"""Functions brought to their images: planned, done step by step, recorded, and put back.

    names       function names after variables, and what targets want of which function
    deployed    what a function runs, as a value and as JSON
    service     Lambda's requests, and its refusals as ours
    offers      where the images that functions want are, by digest
    plan        what functions run against what they should -> changes
    steps       one function from one state to another, each step waited for and guarded
    sets        several functions at once; all of them, or none
    live_tags   what functions run, tagged in its registry, so that nothing removes it
    documents   where records and lineage are kept
    records     who brought what where, and how it ended
    lineage     an image's digest -> the target, hash and revision that it was made of
    rollback    a record -> the changes that undo it

Knows pushed images and AWS, and no rules. Absent: making functions, and any of their settings but the
image and its ImageConfig: those are the infrastructure's.
"""
