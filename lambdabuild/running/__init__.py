"""Starting an image as Lambda would, and getting its handler's answer.

    runner      what can start an image: the protocol, and which one to take
    docker, bubblewrap, runc, chroot    the runners
    filesystem  an image -> a directory that the last three start it in
    api         the Lambda runtime API, for one function
    invocation  an image and an event -> an Answer

Absent: building images, and everything that AWS adds around a function: roles,
triggers, extensions, memory limits, several calls to one instance.
"""

from lambdabuild.running.answer import Answer
from lambdabuild.running.choice import choose_runner
from lambdabuild.running.invocation import invoke
from lambdabuild.running.runner import RunnableImage, Runner

__all__ = ["Answer", "RunnableImage", "Runner", "choose_runner", "invoke"]
