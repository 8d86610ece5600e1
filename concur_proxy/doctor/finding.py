"""What an examination found."""

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """The worst severity of all findings is the exit status."""

    OK = 0
    WARNING = 1
    """The gateway works, but not as well as it could."""
    ERROR = 2
    """The gateway cannot work with this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact about one server."""

    subject: str
    """The URL of the engine or the gateway, or Redis' URL without its password."""
    severity: Severity
    code: str
    """A word for scripts."""
    message: str
    """The rest of a sentence that begins with the subject."""
    fix: str = ""
    """What to do about it; empty if there is nothing to do."""
