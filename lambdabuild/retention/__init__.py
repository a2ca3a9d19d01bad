"""Images that nobody needs any more: found by what is in use, listed, and removed.

    held      an image in a repository: its tags, blobs, age and what it was made of
    shelves   one repository, listed and removed from: ECR by its own calls, others by the OCI spec
    live      what the working tree and revisions of git are made of
    running   what functions run, and what deploys can be rolled back to
    choose    all of that -> what goes, and why the rest stays
    cleaning  looks, looks again, removes

What is doubtful stays: an image that nobody recorded, that another workspace made, that has a tag beside
that of its hash, or whose age is not known. Absent: results, blobs and packs of the remote
store, which its bucket's lifecycle removes by age; functions of other accounts, which `live-*` tags and
records of deploys tell of.
"""
