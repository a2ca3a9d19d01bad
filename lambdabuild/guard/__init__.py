"""What must not leave this machine by mistake: secrets, and files of a surprising size.

    kinds      what can be found, and which detector of detect-secrets finds it
    names      what a file's name says of it
    reading    the text of a file -> the lines that hold credentials
    known      what was found in which bytes, so that no file is read twice
    allowing   the attribute `allow` of targets
    leaving    which sources of which targets would leave
    findings   all of it, and the error that says so

Nothing of it is part of a key: a finding keeps bytes here, and changes none.
Absent: third-party wheels and layers of external images, which are public where
they come from; the history of git; detectors that guess by entropy.
"""
