"""What an image library can complain about.

Two turns to act, as in `lambdabuild.errors`: an image, a layer or a list of
files that is wrong (`ImageError`), and bytes that are not what they should be
(`ExternalError`: a damaged cache, a file that changes while it is read).
"""

from __future__ import annotations

from lambdabuild.errors import UserError


class ImageError(UserError, ValueError):
    """An image, a layer or what should become one breaks a rule.

    A ValueError too, so that code which only parses need not know our errors.
    """
