"""The admin calls that only read: the state, the history and the sessions."""

from collections.abc import Iterator

from concur_proxy.admin.history_schema import HistoryFilter, HistoryStatus
from concur_proxy.admin.operations import Operation, Refused
from concur_proxy.admin.session_schema import SessionFilter, SessionList
from concur_proxy.admin.state import StateReader
from concur_proxy.admin.status_schema import GatewayStatus, StateFilter

STATE_PATH = "/concur/v1/state"
HISTORY_PATH = "/concur/v1/history"
SESSIONS_PATH = "/concur/v1/sessions"


def reading_operations(reader: StateReader) -> Iterator[Operation]:
    """The table of these calls."""

    def state(given: StateFilter) -> GatewayStatus:
        return reader.state(sessions=given.sessions)

    def sessions(given: SessionFilter) -> SessionList:
        found = reader.sessions(given)
        if found is None:
            raise no_session(given.session_id or "")
        return found

    def history(given: HistoryFilter) -> HistoryStatus:
        found = reader.history(given.engine, given.seconds)
        if found is None:
            message = f"Nothing is recorded yet for the engine {given.engine[:200]!r}."
            raise Refused(404, "no_history", message, param="engine")
        return found

    yield Operation(
        method="GET",
        path=STATE_PATH,
        summary="The state of the gateway: its effect, engines, sessions and recent decisions",
        takes=StateFilter,
        gives=GatewayStatus,
        do=state,
        refuses=(400,),
    )
    yield Operation(
        method="GET",
        path=HISTORY_PATH,
        summary="The last hour of one engine or of all, in points of 5 s",
        takes=HistoryFilter,
        gives=HistoryStatus,
        do=history,
        refuses=(400, 404),
    )
    yield Operation(
        method="GET",
        path=SESSIONS_PATH,
        summary="List sessions by page, by name, or those that a search finds",
        takes=SessionFilter,
        gives=SessionList,
        do=sessions,
        refuses=(400, 404),
    )


def no_session(key: str) -> Refused:
    """The refusal of a call for a session that nobody has."""
    return Refused(404, "no_session", f"Unknown session {key[:200]!r}.", param="session_id")
