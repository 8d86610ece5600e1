"""The admin calls that change sessions, windows, control laws and engines, and the list of engine servers."""

import logging
from collections.abc import Callable, Iterable, Iterator

from concur_proxy.admin.manual import ManualChanges
from concur_proxy.admin.operations import Operation, Refused
from concur_proxy.admin.reading_calls import SESSIONS_PATH, no_session
from concur_proxy.admin.schema import (
    EngineName,
    LawInput,
    NoInput,
    ServerList,
    ServersChanged,
    ServerUrl,
    SessionChanged,
    SessionName,
    WindowInput,
)
from concur_proxy.admin.state import StateReader
from concur_proxy.admin.status_schema import EngineStatus
from concur_proxy.admission.changes import Steer
from concur_proxy.admission.manual import Steering
from concur_proxy.control.law import Budget
from concur_proxy.coordination.coordinator import Role
from concur_proxy.coordination.protocol.manual import ManualWindow
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.recognition.tenants import split_name

logger = logging.getLogger(__name__)

WINDOW_PATH = "/concur/v1/window"
LAW_PATH = "/concur/v1/law"
ENGINES_PATH = "/concur/v1/engines"

STEERING_PATHS = {steering: f"{SESSIONS_PATH}/{steering.value}" for steering in Steering}
_STEERING_SUMMARIES = {
    Steering.PAUSE: "Pause a session after its current turn, until it is resumed",
    Steering.RESUME: "Resume a session that was paused",
    Steering.PRIORITISE: "Move a session to the front",
    Steering.END: "End a session, at once or after its current turn",
}


class AdminCalls:
    """Implements the admin calls. With several gateways, only the leader runs them."""

    def __init__(self, reader: StateReader, manual: ManualChanges, *, shown: Callable[[str], str]) -> None:
        """`shown` turns a session's key into its name for log lines."""
        self._reader = reader
        self._pool = reader.pool
        self._coordinator = reader.coordinator
        self._manual = manual
        self._shown = shown

    def operations(self) -> Iterator[Operation]:
        """The table of all calls."""
        yield from self._on_sessions()
        yield from self._on_windows()
        yield from self._on_engines()

    def _on_sessions(self) -> Iterator[Operation]:
        for steering, path in STEERING_PATHS.items():
            yield Operation(
                method="POST",
                path=path,
                summary=_STEERING_SUMMARIES[steering],
                takes=SessionName,
                gives=SessionChanged,
                do=self._steering(steering),
                refuses=(404, 409),
            )

    def _on_windows(self) -> Iterator[Operation]:
        yield Operation(
            method="PUT",
            path=WINDOW_PATH,
            summary="Set the window of an engine manually",
            takes=WindowInput,
            gives=EngineStatus,
            do=self._set_window,
            refuses=(404, 409),
        )
        yield Operation(
            method="DELETE",
            path=WINDOW_PATH,
            summary="Set the window of an engine back to automatic",
            takes=EngineName,
            gives=EngineStatus,
            do=self._release_window,
            refuses=(404, 409),
        )
        yield Operation(
            method="PUT",
            path=LAW_PATH,
            summary="Use another control law for an engine",
            takes=LawInput,
            gives=EngineStatus,
            do=self._set_law,
            refuses=(404, 409),
        )
        yield Operation(
            method="DELETE",
            path=LAW_PATH,
            summary="Use the control law of the settings for an engine again",
            takes=EngineName,
            gives=EngineStatus,
            do=self._release_law,
            refuses=(404, 409),
        )

    def _on_engines(self) -> Iterator[Operation]:
        yield Operation(
            method="GET",
            path=ENGINES_PATH,
            summary="List the engine servers",
            takes=NoInput,
            gives=ServerList,
            do=lambda _: ServerList(**self._servers()),
        )
        yield Operation(
            method="POST",
            path=ENGINES_PATH,
            summary="Add an engine server; a known server stays as it is",
            takes=ServerUrl,
            gives=ServersChanged,
            do=self._add,
            refuses=(409,),
        )
        yield Operation(
            method="DELETE",
            path=ENGINES_PATH,
            summary="Remove an engine server: its sessions move, and answers in progress still end",
            takes=ServerUrl,
            gives=ServersChanged,
            do=self._remove,
            refuses=(404, 409),
        )

    def _steering(self, steering: Steering) -> Callable[[SessionName], SessionChanged]:
        def steer(given: SessionName) -> SessionChanged:
            names = self._reader.names(given.session_id, given.tenant)
            known = [name for name in names if self._coordinator.fleet.knows(Steer(key=name, steering=steering))]
            if len(known) > 1:
                raise _several_sessions(given.session_id, known)
            if not known or not self._coordinator.apply(Steer(key=known[0], steering=steering)):
                raise no_session(given.session_id)
            logger.info("session %r: an operator asked to %s it", self._shown(given.session_id), steering.value)
            return SessionChanged(session_id=given.session_id, done=steering.value)

        return steer

    def _set_window(self, given: WindowInput) -> EngineStatus:
        monitor = self._monitor(given.engine)
        if given.sessions is None and given.tokens is None:
            gate = self._coordinator.fleet.gates[given.engine]
            sessions, budget = gate.snapshot().window, gate.budget
            window = ManualWindow(sessions=None if sessions == float("inf") else sessions, budget=budget)
        else:
            budget = None if given.tokens is None else Budget(tokens=given.tokens)
            window = ManualWindow(sessions=given.sessions, budget=budget)
        self._manual.set_window(monitor.engine, window)
        logger.info("engine %s: an operator set the window", given.engine)
        return self._reader.engine(given.engine)

    def _release_window(self, given: EngineName) -> EngineStatus:
        self._manual.set_window(self._monitor(given.engine).engine, None)
        logger.info("engine %s: an operator set the window back to automatic", given.engine)
        return self._reader.engine(given.engine)

    def _set_law(self, given: LawInput) -> EngineStatus:
        monitor = self._monitor(given.engine)
        try:
            self._manual.set_law(monitor.engine, given.law, given.options)
        except ValueError as problem:
            raise Refused(400, "wrong_law", f"{problem}.", param="law") from problem
        return self._reader.engine(given.engine)

    def _release_law(self, given: EngineName) -> EngineStatus:
        self._manual.release_law(self._monitor(given.engine).engine)
        return self._reader.engine(given.engine)

    def _monitor(self, name: str) -> EngineMonitor:
        """The engine's monitor. Raises `Refused` for an unknown engine, and if this process cannot move its window."""
        monitor = self._pool.monitors.get(name)
        if monitor is None or name not in self._coordinator.fleet.gates:
            raise _no_engine(name, self._coordinator.fleet.gates)
        status = self._coordinator.status
        if status.role is Role.ALONE and not status.leads:
            message = (
                "Redis cannot be reached, so each gateway works alone, with its share of the last windows. "
                "Try again when Redis is back."
            )
            raise Refused(409, "alone", message)
        return monitor

    def _add(self, given: ServerUrl) -> ServersChanged:
        try:
            self._manual.add(given.engine)
        except ValueError as problem:
            raise Refused(409, "conflict", f"{problem}.", param="engine") from problem
        return ServersChanged(engine=given.engine, **self._servers())

    def _remove(self, given: ServerUrl) -> ServersChanged:
        if given.engine not in self._pool.servers:
            raise _no_engine(given.engine, self._pool.servers)
        try:
            self._manual.remove(given.engine)
        except ValueError as problem:
            message = f"{problem}. Add another one before you remove it."
            raise Refused(409, "last_engine", message, param="engine") from problem
        return ServersChanged(engine=given.engine, **self._servers())

    def _servers(self) -> dict[str, list[str]]:
        manual = self._coordinator.manual
        return {"engines": self._pool.servers, "added": list(manual.added), "removed": list(manual.removed)}


def _no_engine(name: str, known: Iterable[str]) -> Refused:
    message = f"Unknown engine {name[:200]}. The engines are {', '.join(known)}."
    return Refused(404, "no_engine", message, param="engine")


def _several_sessions(key: str, names: Iterable[str]) -> Refused:
    tenants = ", ".join(repr(split_name(name)[0]) for name in names)
    message = f"Several tenants have a session {key[:200]!r}: {tenants[:1000]}. Name one of them in tenant."
    return Refused(409, "several_sessions", message, param="tenant")
