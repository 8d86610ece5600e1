"""Watches whether the gateway recognises the sessions of its requests, and says what to do if it does not.

A client that names no session gains less, and nothing fails, so nobody would notice.
"""

import logging
from collections import deque
from contextvars import Context

from concur_proxy.control.phrasing import percent
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.telemetry.events import RequestEvents, RequestRecord

logger = logging.getLogger(__name__)

GUIDE = "deploy/docs/guides/sessions.md"
NEWEST = 300
"""The share counts this many requests."""
FEWEST = 100
"""With fewer requests than this, the share is not known."""
MOST = 0.5
"""A larger share of unrecognised requests is worth a warning."""
CHECK_EVERY = 50
"""Requests between two checks for a line in the log."""


class RecognitionWatch:
    """Counts the newest requests of this gateway. The log gets one line for each kind of warning."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._newest: deque[bool] = deque(maxlen=NEWEST)
        """Whether each of the newest requests was unrecognised."""
        self._until_check = CHECK_EVERY
        self._logged: set[str] = set()

    def subscribe(self, events: RequestEvents) -> None:
        """Count these requests."""
        events.recognised.append(self._count)

    @property
    def share(self) -> float | None:
        """Share of the newest requests that were unrecognised, 0 to 1; None with too few requests."""
        return sum(self._newest) / len(self._newest) if len(self._newest) >= FEWEST else None

    @property
    def shared_keys(self) -> int:
        """Session keys that name many parallel conversations each."""
        return self._coordinator.fleet.shared_keys

    def warnings(self) -> list[str]:
        """What is wrong now, each in one text with its fix."""
        return list(self._warnings().values())

    def _warnings(self) -> dict[str, str]:
        share, shared_keys, texts = self.share, self.shared_keys, {}
        if share is not None and share > MOST:
            texts["unrecognised"] = (
                f"Most requests name no session and continue no known conversation: {percent(share)} of the last "
                f"{len(self._newest)}. Let each agent send a session header such as x-session-id, see {GUIDE}."
            )
        if shared_keys:
            names = "1 session key names" if shared_keys == 1 else f"{shared_keys} session keys name"
            texts["shared keys"] = (
                f"{names} many parallel conversations. Let each agent send a session header of its own, see {GUIDE}."
            )
        return texts

    def _count(self, record: RequestRecord) -> None:
        self._newest.append(not record.recognised_by)
        self._until_check -= 1
        if self._until_check:
            return
        self._until_check = CHECK_EVERY
        for kind, text in self._warnings().items():
            if kind not in self._logged:
                self._logged.add(kind)
                Context().run(logger.warning, "%s", text)  # the line is not about the present request
