"""What an examination found."""

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How much it matters; the worst one decides the exit status."""

    OK = 0
    WARNING = 1
    """The gateway works, with less than it could have."""
    ERROR = 2
    """The gateway cannot work with this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact, and the mend where there is one."""

    subject: str
    """An engine's URL, or the store's."""
    severity: Severity
    code: str
    """A word by which scripts know it."""
    message: str
    mend: str = ""
