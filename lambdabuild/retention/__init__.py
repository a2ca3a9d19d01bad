"""What nobody needs any more, images and the remote store: found by what is in use, listed, and removed.

    held      an image in a repository: its tags, blobs, age and what it was made of
    shelves   one repository, listed and removed from: ECR by its own calls, others by the OCI spec
    live      what the working tree and revisions of git are made of
    choose    images, and what is in use -> what goes, and why the rest stays
    cleaning  asks who runs what; looks, looks again, removes images
    unneeded  a store, and what is in use -> what goes
    sweeping  looks, looks again, removes results, and then what no result names

What is doubtful stays: an image that nobody recorded, that another workspace made, that has a tag beside
that of its hash, or whose age is not known; and what a recorded image was made by. Absent: functions of
other accounts, which `live-*` tags and records of deploys tell of; orders, outcomes, histories and records
in the store, which its bucket's lifecycle removes by age, if anything does.
"""
