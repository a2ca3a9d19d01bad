"""Why a hash is another one than before: two documents -> the changes that lead from one to the other.

`state` is what is known of a target, `history` keeps it, `difference` finds the
changes, `wording` says them. Absent: whether anything has to run; `plan` decides
that, and `why` puts both together.
"""
