"""One line in the log for each admin call that changes something: who, what, and with which result."""

import json
import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)  # also if the setting log_level leaves other lines of this level out

MAX_CHARS = 300
SESSION_FIELDS = frozenset({"session_id", "program_id"})


class Audit:
    """Writes the lines."""

    def __init__(self, shown: Callable[[str], str]) -> None:
        """`shown` turns a session's key into its name for log lines."""
        self._shown = shown

    def write(self, caller: str, method: str, path: str, body: bytes, status: int) -> None:
        """Log a call that changes something, and the status of its answer."""
        logger.info("admin call by %s: %s %s %s: %d", caller, method, path, self._what(body), status)

    def _what(self, body: bytes) -> str:
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            return "(no valid body)"
        shown = {
            name: self._shown(value) if name in SESSION_FIELDS and isinstance(value, str) else value
            for name, value in given.items()
        }
        text = json.dumps(shown)
        return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}..."
