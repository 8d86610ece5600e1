"""The schedule: all faults of a soak in their order, and the failures of clients that each of them forces."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.replicas.tally import Failure
from tests.soak import engine_faults, floods, gateway_faults, hostile_engine, redis_faults
from tests.soak.machine import Machine
from tests.soak.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that breaks for some time."""

    name: str
    strike: Callable[[Stage], Awaitable[None]]
    """Cause the fault. Returns when it is over."""
    forces: Callable[[Failure], bool] = lambda _: False
    """Whether no gateway could have prevented this failure."""
    can: Callable[[Machine], bool] = lambda _: True
    """Whether it can be made here."""


def is_of_engine(failure: Failure) -> bool:
    """An answer that had begun, or a request that the engine may have begun, so that it is not repeated."""
    return failure.kind == "cut" or (failure.kind == "status" and failure.status in {502, 504})


def is_connection(failure: Failure) -> bool:
    """A connection of a killed gateway."""
    return failure.kind in {"cut", "broken", "refused"}


def is_lack_of_files(failure: Failure) -> bool:
    """The gateway without files says so, and the client may try again.

    A gateway stays below the limit that it found at its start. It cannot foresee that somebody lowers the limit below
    what is open already.
    """
    if failure.replica.name != gateway_faults.SHORT_OF_FILES:
        return False
    return failure.kind == "status" and failure.status == 503 and failure.retry_after_s is not None


# The first ones need the most memory, so that they are part of the warm-up.
FAULTS = (
    Fault(name="kill -9 of the leader", strike=gateway_faults.kill_leader, forces=is_connection),
    Fault(name="16 uploads of 64 MiB", strike=floods.uploads),
    Fault(name="a flood of sessions", strike=floods.sessions),
    Fault(name="metrics of 16 MB", strike=engine_faults.huge_metrics),
    Fault(name="low file limit", strike=gateway_faults.low_file_limit, forces=is_lack_of_files),
    Fault(name="kill -9 of an engine", strike=engine_faults.kill, forces=is_of_engine),
    Fault(name="an engine frozen", strike=engine_faults.freeze, forces=is_of_engine),
    Fault(
        name="an engine resets connections", strike=engine_faults.scripted(hostile_engine.reset), forces=is_of_engine
    ),
    Fault(name="an engine hangs", strike=engine_faults.scripted(hostile_engine.hang), forces=is_of_engine),
    Fault(name="absurd usage", strike=engine_faults.scripted(hostile_engine.absurd_usage)),
    Fault(name="DNS flap", strike=engine_faults.flap, can=lambda machine: machine.hosts is not None),
    Fault(name="kill -9 of Redis", strike=redis_faults.kill),
    Fault(name="Redis frozen", strike=redis_faults.freeze),
    Fault(name="Redis full", strike=redis_faults.fill),
    Fault(name="Redis slow", strike=redis_faults.slow_down),
    Fault(name="Sentinel failover", strike=redis_faults.fail_over),
    Fault(name="clock jumps by an hour", strike=gateway_faults.jump, can=lambda machine: machine.clock is not None),
    Fault(name="slow heads and bodies", strike=floods.slow_clients),
    Fault(name="reload of the keys", strike=gateway_faults.reload),
)


def named(parts: Sequence[str]) -> list[Fault]:
    """The faults whose names contain one of these texts; all without any text."""
    return [fault for fault in FAULTS if not parts or any(part in fault.name for part in parts)]
