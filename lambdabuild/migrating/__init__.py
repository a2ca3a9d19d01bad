"""BUILD files for a monorepo that has none: from its pyproject.toml files and Dockerfiles.

survey, existing  what lies in the tree, and what BUILD files declare already
packages          a pyproject.toml -> a python_package
recipe, pip       a Dockerfile -> what an image holds, where that can be told without running it
images, placing   a Dockerfile -> a lambda_image or base_image, its sources as attributes
sharing           images that install the same packages -> a base_image below them
proposal          all of these -> the files that should be written
proof             the files, as if they were there, loaded and analysed
writing           all of them, or none

Absent: rules and their attributes beyond those written here; running anything;
infrastructure code, which says what functions there are; the terminal.
"""
