"""How a new leader takes over the sessions that the last one has saved."""

import logging
from collections.abc import Generator, Sequence

from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.handover import SessionRecord

logger = logging.getLogger(__name__)


def take_over(records: Sequence[SessionRecord], fleet: Fleet, *, now: float) -> Generator[None, None, set[str]]:
    """Let the fleet continue these sessions, one in each step. Returns the names of those that must be saved again or
    forgotten: what was saved about them is not true of this fleet, because it could not be restored or memory is short.
    The fleet puts names of sessions that change into this set from now on.
    """
    changes: set[str] = set()
    fleet.note_changes(changes)
    failures = 0
    for record in sorted(records, key=lambda record: -record.idle_s):
        try:
            fleet.restore(record, now=now)
        except Exception:
            failures += 1
            if failures == 1:  # the others are probably like it
                logger.exception("unexpected error, a defect in concur-proxy; a saved session is forgotten")
        if fleet.seniority_of(record.key) is None:
            changes.add(record.key)
        else:
            changes.discard(record.key)
        yield
    if failures:
        logger.error("%d of %d saved sessions were forgotten", failures, len(records))
    return changes
