"""BUILD files for a monorepo that has none: from its pyproject.toml files and Dockerfiles.

survey, existing     what lies in the tree, and what BUILD files declare already
packages             a pyproject.toml -> a python_package
context, runs        what COPY lines take, and what the commands of RUN do
recipe, installing   a Dockerfile -> what its image holds, told without running it
reading, images      a Dockerfile -> a lambda_image or base_image, with it or without
placing, ignoring    sources with their places -> attributes, and `files` targets
sharing              images that install the same packages -> a base_image below them
drafting, proposal   all of these -> the files that should be written
proof, overlay       the files, as if they were there, loaded and analysed
rendering, writing   targets -> text, and all files written, or none

Absent: rules and their attributes beyond those written here; running anything;
infrastructure code, which says what functions there are; the terminal.
"""
