"""What lambdabuild knows of Python itself: interpreters, installed distributions, wheels.

    elf        which shared libraries a file needs, and where they are on this machine
    installed  a distribution and all it requires -> its files
    host       the running CPython -> the parts of a base image that boots as AWS's does
    host_image the scripts that such an image starts with

Absent: targets, actions, stores. Nothing here writes a file or builds an image.
"""
