"""The gate of one program: the parts of the gateway that decide, without its HTTP side."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from concur_proxy import plugins
from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.changes import Drain, EndSession
from concur_proxy.admission.estimates import FootprintEstimator
from concur_proxy.admission.snapshot import GateSnapshot
from concur_proxy.aio.readings import SignalReader, Signals
from concur_proxy.aio.turn import Turn
from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.monitoring.pool import EnginePool
from concur_proxy.settings.gateway import GatewaySettings

UNNAMED = "http://engine"
"""The name of an engine whose signals come from a function."""
NO_LIMIT_S = 1e8
"""Three years. Event loops do not take infinity."""
MANY = 1_000_000
"""Sessions that may wait. A program limits its own, so it must not be refused."""


class _Settings(GatewaySettings):
    """The gateway's settings without environment and files: a program says itself what it wants."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


class Gate:
    """Lets as many sessions use an engine at once as its KV cache can hold. Use it in `async with`, in one event loop.

    A session holds its place between its turns, so that its cache is still there when it comes back.
    """

    def __init__(self, *, engine: str | Sequence[str] = (), signals: Signals | None = None, **settings: object) -> None:
        """`engine` is the URL of an inference server, or several; their metrics are read. `signals` is called instead,
        once in `scrape_interval_s`, for an engine in this process. With neither, only a law without signals works, such
        as `law="static", law_options={"window": 8}`.

        `settings` are those of the gateway by name, such as `law`, `idle_lease` or `capacity_tokens`. Environment
        variables are not read. Raises `ValueError` for a wrong one.
        """
        engines = (engine,) if isinstance(engine, str) else tuple(engine)
        if engines and signals is not None:
            raise ValueError("give the URL of an engine or signals, not both")
        defaults: dict[str, object] = {"max_waiting_sessions": MANY}
        self._settings = _Settings(**{**defaults, **settings, "engine": engines or (UNNAMED,)})  # type: ignore[arg-type]
        if not engines and signals is None and self._settings.law not in {"static", "off"}:
            raise ValueError(f"law {self._settings.law} needs signals: give the URL of an engine or signals")
        self._clock = time.monotonic
        self._kinds = KnownKinds(plugins.load_engine_kinds(self._settings.engine_kinds))
        self._pool = EnginePool(self._settings, self._kinds, self._clock)
        self._coordinator = LocalCoordinator(self._pool.make_fleet(0), self._clock)
        self._pool.open(self._coordinator)
        self._reads_pages = bool(engines)
        self._signals = signals
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start to read the engines."""
        if self._reads_pages:
            self._reading = asyncio.create_task(self._pool.run())
        elif self._signals is not None:
            (monitor,) = self._pool.monitors.values()
            reader = SignalReader(self._signals, monitor, kinds=self._kinds, clock=self._clock)
            self._reading = asyncio.create_task(reader.run(interval_s=self._settings.scrape_interval_s))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading, and refuse every turn that still waits."""
        self.drain()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._coordinator.stop()

    def turn(
        self,
        session: str | None,
        *,
        prompt_tokens: int | None = None,
        parent: str | None = None,
        model: str | None = None,
        timeout_s: float | None = None,
    ) -> Turn:
        """One call of the engine, for `async with`. The block begins when the session has a place.

        `session` is the name of the agent or roll-out; None for a single call without any history. `prompt_tokens` is
        about how long the prompt is; it matters for a session's first turn, and for one that grows much. `parent` is
        the session that started this one: both then share a place. With several engines, `model` chooses among them.
        After `timeout_s` seconds of waiting the turn is not admitted; by default it waits without a limit.
        """
        text_bytes = 0 if prompt_tokens is None else round(prompt_tokens / FootprintEstimator.FIRST_TOKENS_PER_BYTE)
        arrival = Arrival(
            key=session,
            parent_key=parent,
            model=model,
            body_bytes=text_bytes,
            hold_s=NO_LIMIT_S if timeout_s is None else timeout_s,
        )
        return Turn(self._coordinator, arrival)

    def end(self, session: str) -> bool:
        """The session has ended: its place is free at once, or after its turn. Returns whether it was known."""
        return self._coordinator.apply(EndSession(key=session))

    def drain(self) -> None:
        """Admit no turn any more: `NotAdmitted` is raised in each that waits or comes."""
        self._coordinator.apply(Drain())

    @property
    def engines(self) -> Mapping[str, GateSnapshot]:
        """The state of each engine in numbers: its window, and the sessions and requests that have a place or wait."""
        return {engine: gate.snapshot() for engine, gate in self._coordinator.fleet.gates.items()}
