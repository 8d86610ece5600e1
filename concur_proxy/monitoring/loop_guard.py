"""The one place in this package that survives any error: an endless loop must outlive a slip in one of its rounds."""

import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


class LoopGuard:
    """Runs one step of a loop, round after round."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._last: str | None = None

    async def attempt(self, step: Callable[[], Awaitable[None]]) -> Exception | None:
        """Run the step and return what it raised, or None.

        An error is logged with its traceback when it is not the one of the round before: a defect that shows every
        second must not fill the disk.
        """
        try:
            await step()
        except Exception as error:
            if repr(error) != self._last:
                logger.exception("%s: unexpected error, which is a defect here or in a plug-in; going on", self._what)
            self._last = repr(error)
            return error
        self._last = None
        return None
