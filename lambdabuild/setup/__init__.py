"""What stands on AWS: made by `lambdabuild bootstrap`, looked after by `lambdabuild doctor`.

What builds is not here, nor what talks to the terminal. template.yaml is the one description of what
is made; Python here gives it values and waits.
"""
