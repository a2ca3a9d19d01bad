"""AWS Lambda for functions of container images, on this machine: states, guards, and answers.

    service     the operations over HTTP, and the ways in which a test makes it misbehave
    function    one function: its code, configuration, versions and aliases
    images      the registry that images have to be in, and starting them

moto has Lambda too, but its image functions take any image, never change their ImageConfig, know no
revisions, and share code with their versions. What is asked that is not here goes to moto.
"""

from .function import Function, Version
from .service import Functions

__all__ = ["Function", "Functions", "Version"]
