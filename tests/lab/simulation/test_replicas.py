from dataclasses import replace
from statistics import fmean

import pytest

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.lab.simulation.arrivals import Poisson
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES, Policy, static
from concur_proxy.lab.simulation.replicas import SimulatedReplicas
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.timeline import Timeline
from tests.coordination.fleets import make_fleet
from tests.lab.simulation.small import small

REPLICAS = 4
HOP_S = 0.25


def _pass_time(timeline: Timeline, seconds: float) -> None:
    """Run everything that is due within this time."""
    is_over: list[None] = []
    timeline.after(seconds, lambda: is_over.append(None))
    timeline.run(until=lambda: bool(is_over))


def test_a_decision_comes_a_hop_after_the_leader_has_heard_the_request() -> None:
    timeline = Timeline()
    told: list[tuple[float, Ticket]] = []
    replicas = SimulatedReplicas(
        make_fleet(window=2.0),
        timeline,
        lambda decided: told.extend((timeline.now, ticket) for ticket in decided),
        count=REPLICAS,
        seed=1,
        hop_s=HOP_S,
    )
    tickets = [
        replicas.arrive(Arrival(key=f"s{number}", body_bytes=400, hold_s=60.0), now=0.0)[0] for number in range(8)
    ]
    _pass_time(timeline, 1.0)
    assert len(told) == 2
    assert {at for at, _ in told} <= {0.0, 2 * HOP_S}
    assert all(ticket.outcome is Outcome.ADMITTED for _, ticket in told)
    positions = sorted(replicas.expected_wait(ticket, now=1.0)[0] for ticket in tickets if ticket.is_held)
    assert positions == [1, 2, 3, 4, 5, 6]


def test_a_hold_ends_at_the_leader_and_its_replica_tells_the_expected_wait() -> None:
    timeline = Timeline()
    waits: list[tuple[int, float]] = []
    replicas = SimulatedReplicas(
        make_fleet(window=1.0),
        timeline,
        lambda decided: waits.extend(replicas.expected_wait(t, now=0.0) for t in decided if not t.is_in_flight),
        count=REPLICAS,
        seed=1,
    )
    replicas.arrive(Arrival(key="s", body_bytes=400, hold_s=60.0), now=0.0)
    _pass_time(timeline, 1.0)
    replicas.arrive(Arrival(key="t", body_bytes=400, hold_s=1.0), now=1.0)
    _pass_time(timeline, 0.5)
    assert replicas.next_deadline() == pytest.approx(2.0)
    _pass_time(timeline, 1.0)
    assert replicas.expire(now=2.5) == []
    _pass_time(timeline, 0.1)
    assert [position for position, _ in waits] == [1]


@pytest.mark.parametrize(
    ("policy", "scenario"),
    [
        (POLICIES["static"], small(agents=48)),
        (POLICIES["tokens"], small(agents=48, arrivals=Poisson(per_s=1.0))),
    ],
)
def test_several_replicas_take_as_long_as_one(policy: Policy, scenario: Scenario) -> None:
    one, several = (
        fmean(Experiment(replace(scenario, replicas=replicas), policy, seed).run().makespan_s for seed in range(10))
        for replicas in (1, REPLICAS)
    )
    assert several == pytest.approx(one, rel=0.01)


@pytest.mark.parametrize("policy", [POLICIES["off"], POLICIES["aimd"], POLICIES["tokens"], POLICIES["requests"]])
def test_every_request_is_answered_and_nothing_is_left(policy: Policy) -> None:
    scenario = small(engines=2, side_requests=2, says_end=True)
    alone = Experiment(scenario, policy, 1).run()
    experiment = Experiment(replace(scenario, replicas=REPLICAS), policy, 1)
    result = experiment.run()
    assert (result.sessions, result.requests) == (alone.sessions, alone.requests)
    _pass_time(experiment._timeline, 1.0)  # the last answers' ends reach the leader
    for gate in experiment.gateway.fleet.gates.values():
        assert (gate.snapshot().in_flight, gate.snapshot().held, len(gate.sessions)) == (0, 0, 0)


def test_a_refused_request_is_sent_again_and_its_session_finishes() -> None:
    policy = replace(static(1), max_hold_s=5.0)
    result = Experiment(small(agents=10, replicas=REPLICAS), policy, 1).run()
    assert result.refusals > 0
    assert result.sessions == 10


def test_the_window_is_kept_at_every_moment() -> None:
    window = 3
    experiment = Experiment(small(engines=2, replicas=REPLICAS), static(window), 1)
    most = {engine.name: 0 for engine in experiment.engines}

    def look() -> None:
        for engine in experiment.engines:
            most[engine.name] = max(most[engine.name], engine.model.running + engine.model.waiting)
        experiment._timeline.after(0.01, look)

    look()
    result = experiment.run()
    assert most == dict.fromkeys(most, window)
    assert max(point.active for course in result.courses for point in course) == window
