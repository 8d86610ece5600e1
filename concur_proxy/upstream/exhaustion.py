"""Errors of connecting that say nothing about the other side."""

import errno

_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""No files left in this process or on this machine, no memory, no free port (connect(2), socket(2))."""


def is_own_exhaustion(error: BaseException | None) -> bool:
    """Whether this error, or what caused it, is that this machine has run out of something."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _OWN:
            return True
        if isinstance(error, BaseExceptionGroup):
            return any(is_own_exhaustion(each) for each in error.exceptions)
        error = error.__cause__ or error.__context__
    return False
