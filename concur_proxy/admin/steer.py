"""The admin calls on sessions, windows and laws."""

import logging
from collections.abc import Callable, Iterator

from concur_proxy.admin.answers import EngineState, GatewayState, SessionDone, SessionList
from concur_proxy.admin.by_hand import HandSettings
from concur_proxy.admin.operations import Operation, Refused
from concur_proxy.admin.questions import Law, MaybeSession, NamedEngine, NamedSession, Nothing, Window
from concur_proxy.admin.state import StateReader
from concur_proxy.admission.changes import Steer
from concur_proxy.admission.steering import Steering
from concur_proxy.control.law import Budget
from concur_proxy.coordination.coordinator import Role
from concur_proxy.coordination.protocol.manual import ManualWindow
from concur_proxy.monitoring.monitor import EngineMonitor

logger = logging.getLogger(__name__)

STATE_PATH = "/concur/v1/state"
SESSIONS_PATH = "/concur/v1/sessions"
WINDOW_PATH = "/concur/v1/window"
LAW_PATH = "/concur/v1/law"


class SteerCalls:
    """Does them, in the process that decides."""

    def __init__(self, reader: StateReader, hand: HandSettings, *, shown: Callable[[str], str]) -> None:
        """`shown`: how log lines name a session."""
        self._reader = reader
        self._pool = reader.pool
        self._coordinator = reader.coordinator
        self._hand = hand
        self._shown = shown

    def operations(self) -> Iterator[Operation]:
        """All of them."""
        yield Operation(
            method="GET",
            path=STATE_PATH,
            summary="How everything stands",
            takes=Nothing,
            gives=GatewayState,
            do=lambda _: self._reader.state(),
        )
        yield Operation(
            method="GET",
            path=SESSIONS_PATH,
            summary="List sessions, or read one",
            takes=MaybeSession,
            gives=SessionList,
            do=self._sessions,
            refuses=(404,),
        )
        for steering in Steering:
            yield Operation(
                method="POST",
                path=f"{SESSIONS_PATH}/{steering.value}",
                summary=f"{steering.value.capitalize()} a session",
                takes=NamedSession,
                gives=SessionDone,
                do=self._steering(steering),
                refuses=(404,),
            )
        yield Operation(
            method="PUT",
            path=WINDOW_PATH,
            summary="Keep a window until it is released",
            takes=Window,
            gives=EngineState,
            do=self._set_window,
            refuses=(404, 409),
        )
        yield Operation(
            method="DELETE",
            path=WINDOW_PATH,
            summary="Let the law move the window again",
            takes=NamedEngine,
            gives=EngineState,
            do=self._release_window,
            refuses=(404, 409),
        )
        yield Operation(
            method="PUT",
            path=LAW_PATH,
            summary="Let another law move the window",
            takes=Law,
            gives=EngineState,
            do=self._set_law,
            refuses=(404, 409),
        )
        yield Operation(
            method="DELETE",
            path=LAW_PATH,
            summary="Let the settings' law move the window again",
            takes=NamedEngine,
            gives=EngineState,
            do=self._release_law,
            refuses=(404, 409),
        )

    def _sessions(self, asked: MaybeSession) -> SessionList:
        if asked.session_id is None:
            return self._reader.sessions()
        found = self._reader.session(asked.session_id)
        if found is None:
            raise _no_session(asked.session_id)
        return found

    def _steering(self, steering: Steering) -> Callable[[NamedSession], SessionDone]:
        def steer(asked: NamedSession) -> SessionDone:
            if not self._coordinator.apply(Steer(key=asked.session_id, steering=steering)):
                raise _no_session(asked.session_id)
            logger.info("session %r: %s, by hand", self._shown(asked.session_id), steering.value)
            return SessionDone(session_id=asked.session_id, done=steering.value)

        return steer

    def _set_window(self, asked: Window) -> EngineState:
        monitor = self._monitor(asked.engine)
        if asked.sessions is None and asked.tokens is None:
            gate = self._coordinator.fleet.gates[asked.engine]
            sessions, budget = gate.snapshot().window, gate.budget
            window = ManualWindow(sessions=None if sessions == float("inf") else sessions, budget=budget)
        else:
            budget = None if asked.tokens is None else Budget(tokens=asked.tokens)
            window = ManualWindow(sessions=asked.sessions, budget=budget)
        self._hand.set_window(monitor.engine, window)
        logger.info("engine %s: window set by hand", asked.engine)
        return self._reader.engine(asked.engine)

    def _release_window(self, asked: NamedEngine) -> EngineState:
        self._hand.set_window(self._monitor(asked.engine).engine, None)
        logger.info("engine %s: window released", asked.engine)
        return self._reader.engine(asked.engine)

    def _set_law(self, asked: Law) -> EngineState:
        monitor = self._monitor(asked.engine)
        try:
            self._hand.set_law(monitor.engine, asked.law, asked.options)
        except ValueError as problem:
            raise Refused(400, "wrong_law", f"{problem}.", param="law") from problem
        return self._reader.engine(asked.engine)

    def _release_law(self, asked: NamedEngine) -> EngineState:
        self._hand.release_law(self._monitor(asked.engine).engine)
        return self._reader.engine(asked.engine)

    def _monitor(self, name: str) -> EngineMonitor:
        """The engine's monitor, where this process moves its window."""
        monitor = self._pool.monitors.get(name)
        if monitor is None or name not in self._coordinator.fleet.gates:
            known = ", ".join(self._coordinator.fleet.gates)
            raise Refused(404, "no_engine", f"There is no engine {name[:200]}; there are {known}.", param="engine")
        status = self._coordinator.status
        if status.role is Role.ALONE and not status.leads:
            message = (
                "Redis is out of reach: each gateway goes on in its share of the last windows. Ask when it is back."
            )
            raise Refused(409, "alone", message)
        return monitor


def _no_session(key: str) -> Refused:
    return Refused(404, "no_session", f"There is no session {key[:200]!r}.", param="session_id")
