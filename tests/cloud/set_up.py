"""What a team sets up once before it builds in the cloud."""

from __future__ import annotations

from .aws import Cloud, Place


def set_up(cloud: Cloud) -> Place:
    """Returns a place in the cloud that is ready for `lambdabuild build --executor codebuild`.

    Absent: the worker. Until `lambdabuild bootstrap` is called here, builds only show their variables.
    """
    place = cloud.place()
    cloud.create_project(place, "version: 0.2\nphases:\n  build:\n    commands:\n      - env | sort\n")
    return place
