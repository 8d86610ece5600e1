"""The state of the fleet that gateways pass on to each other: windows, and which engine serves what."""

from concur_proxy.admission.changes import Change, Reachable, Resize, Serve
from concur_proxy.admission.fleet import Fleet
from concur_proxy.control.law import Budget
from concur_proxy.coordination.protocol.messages import EngineStanding, Standing


def engines_of(fleet: Fleet) -> dict[str, EngineStanding]:
    """The state of each engine of the fleet."""
    engines = {}
    for engine, gate in fleet.gates.items():
        snapshot, models = gate.snapshot(), fleet.models_of(engine)
        engines[engine] = EngineStanding(
            window=None if snapshot.window == float("inf") else snapshot.window,
            budget=gate.budget,
            is_up=engine not in fleet.down,
            models=None if models is None else tuple(sorted(models)),
            lease_s=snapshot.lease_s,
        )
    return engines


def begin_with(fleet: Fleet, standing: Standing, *, share: float, now: float) -> None:
    """Let a fleet without requests start with what was last known about its engines, and with this share of the
    windows.
    """

    def apply(change: Change) -> None:
        fleet.apply(change, now=now)  # no request waits in this fleet, so none is decided

    for engine, known in standing.engines.items():
        if engine not in fleet.gates:
            continue
        apply(Serve(engine=engine, models=known.models))
        apply(Reachable(engine=engine, is_up=known.is_up))
        fleet.gates[engine].begin_with_lease(known.lease_s)
        window = float("inf") if known.window is None else max(1.0, known.window * share)
        budget = known.budget
        if budget is not None:
            budget = Budget(tokens=budget.tokens * share, reserve_turns=budget.reserve_turns)
        apply(Resize(engine=engine, window=window, budget=budget))
