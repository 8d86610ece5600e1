import re
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition, parser
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import Drain, EndSession, Reachable, Resize
from concur_proxy.admission.goal import ENOUGH, Goal
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.governor import GovernorOptions, WindowGovernor
from concur_proxy.control.law import DecisionKind
from concur_proxy.control.laws import aimd
from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.engines.sample import EngineSample, IntervalRates
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.telemetry.fleet import EVENTS, GAUGES, FleetCollector
from concur_proxy.wire.answer.usage import Usage
from tests.coordination.fleets import make_fleet

ENGINES = ("http://a:8000", "http://b:8000")
UNITS = ("_seconds", "_tokens", "_ratio", "_sessions", "_requests", "_keys", "_bytes")


class Scene:
    """Two engines with places for two sessions each, their monitors, and their metrics."""

    def __init__(self, *, goal: Goal = Goal.THROUGHPUT, target_s: float | None = None) -> None:
        self.now = 100.0
        fleet = make_fleet(engines=ENGINES, window=2.0, goal=goal, first_token_target_s=target_s)
        self.coordinator = LocalCoordinator(fleet, lambda: self.now)
        self.monitors = [
            EngineMonitor(
                engine=engine,
                coordinator=self.coordinator,
                governor=WindowGovernor(
                    law=aimd.build({"initial": 2.0}), options=GovernorOptions(fallback_window=64.0), now=self.now
                ),
                clock=lambda: self.now,
            )
            for engine in ENGINES
        ]
        self.registry = CollectorRegistry()
        self.registry.register(FleetCollector(self.coordinator, self.monitors))

    def arrive(self, key: str | None) -> Ticket:
        """Let a request of 400 bytes arrive."""
        return self.coordinator.arrive(Arrival(key=key, body_bytes=400, hold_s=60))

    def samples(self) -> Iterator[Sample]:
        """Return all metrics as a Prometheus server reads them."""
        for family in text_string_to_metric_families(generate_latest(self.registry).decode()):
            yield from family.samples

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a series, by default of engine a; None if it is absent."""
        wanted = {"engine": ENGINES[0], **labels}
        found = [sample.value for sample in self.samples() if sample.name == name and sample.labels == wanted]
        assert len(found) <= 1
        return found[0] if found else None


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_sessions_requests_and_the_window_follow_the_gate(scene: Scene) -> None:
    scene.coordinator.apply(Reachable(engine=ENGINES[1], is_up=False))
    assert scene.value("concur_window_sessions") == 2
    first = scene.arrive("s")
    scene.arrive("s")
    scene.arrive("t")
    held = scene.arrive("u")
    assert scene.value("concur_sessions", state="active") == 2
    assert scene.value("concur_sessions", state="queued") == 1
    assert scene.value("concur_sessions", state="paused") == 0
    assert scene.value("concur_in_flight_requests") == 3
    assert scene.value("concur_held_requests") == 1
    assert scene.value("concur_waiting_sessions") == 1
    assert scene.value("concur_in_flight_requests", engine=ENGINES[1]) == 0
    snapshot = scene.coordinator.fleet.gates[ENGINES[0]].snapshot()
    assert scene.value("concur_footprint_tokens") == snapshot.footprint_tokens > 0
    assert scene.value("concur_lease_seconds") == 5
    scene.coordinator.finish(held, Answered())
    scene.coordinator.finish(first, Answered(prompt_tokens=50, completion_tokens=5))
    assert scene.value("concur_in_flight_requests") == 2
    assert scene.value("concur_held_requests") == 0


async def test_events_are_counted_by_reason(scene: Scene) -> None:
    scene.coordinator.apply(Reachable(engine=ENGINES[1], is_up=False))
    first = scene.arrive("s")
    scene.arrive("t")
    gone, late = scene.arrive("u"), scene.arrive("v")
    scene.coordinator.finish(gone, Answered())
    scene.coordinator.finish(first, Answered(prompt_tokens=50, completion_tokens=5, client_gone=True))
    assert late.outcome is Outcome.ADMITTED
    scene.arrive("w")
    back = scene.arrive("s")
    scene.coordinator.apply(Resize(engine=ENGINES[0], window=3.0))
    assert back.outcome is Outcome.ADMITTED
    scene.now += 61
    scene.coordinator.expire()
    scene.coordinator.apply(Drain())
    scene.arrive("x")
    assert scene.value("concur_admissions_total", reason="window") == 3
    assert scene.value("concur_resumes_total", reason="window") == 1
    assert scene.value("concur_pauses_total", reason="client_gone") == 1
    assert scene.value("concur_refusals_total", reason="client_gone") == 1
    assert scene.value("concur_refusals_total", reason="hold_timeout") == 1
    assert scene.value("concur_refusals_total", reason="draining") == 1
    assert scene.value("concur_refusals_total", reason="queue_full") == 0


async def test_the_ends_of_sessions_are_counted_by_reason(scene: Scene) -> None:
    scene.coordinator.apply(Reachable(engine=ENGINES[1], is_up=False))
    once = scene.arrive(None)
    scene.coordinator.finish(once, Answered(prompt_tokens=1, completion_tokens=1))
    said = scene.arrive("s")
    scene.coordinator.finish(said, Answered(prompt_tokens=1, completion_tokens=1))
    scene.coordinator.apply(EndSession(key="s"))
    silent = scene.arrive("t")
    scene.coordinator.finish(silent, Answered(prompt_tokens=1, completion_tokens=1))
    scene.now += 101
    scene.coordinator.expire()
    reasons = ("answered", "said", "idle")
    assert [scene.value("concur_ended_sessions_total", reason=reason) for reason in reasons] == [1, 1, 1]


def test_every_counter_is_there_before_its_first_event(scene: Scene) -> None:
    for name, _, _, reasons in EVENTS:
        for engine in ENGINES:
            for reason in reasons:
                assert scene.value(f"{name}_total", engine=engine, reason=reason) == 0
    for kind in DecisionKind:
        assert scene.value("concur_control_decisions_total", kind=kind.value) == 0


def test_a_reason_that_the_table_does_not_know_is_exported_all_the_same(scene: Scene) -> None:
    scene.coordinator.fleet.gates[ENGINES[0]].counters["pause", "eclipse"] = 3
    assert scene.value("concur_pauses_total", reason="eclipse") == 3


def test_signals_are_exported_as_the_controller_saw_them(scene: Scene) -> None:
    sample = EngineSample(at=100.0, kind="vllm", started_at=1.0)
    rates = IntervalRates(
        now=100.0,
        interval_s=1.0,
        kv_usage=0.25,
        hit_rate=0.75,
        preemptions=2.0,
        running=3,
        waiting=4,
        capacity_tokens=8192,
        restarted=True,
    )
    scene.monitors[0].on_sample(rates, sample)
    scene.now += 3
    assert scene.value("concur_engine_kv_usage_ratio") == 0.25
    assert scene.value("concur_engine_prefix_hit_ratio") == 0.75
    assert scene.value("concur_engine_preemptions_total") == 2
    assert scene.value("concur_engine_running_requests") == 3
    assert scene.value("concur_engine_waiting_requests") == 4
    assert scene.value("concur_engine_capacity_tokens") == 8192
    assert scene.value("concur_engine_signal_age_seconds") == 3
    assert scene.value("concur_engine_signals_stale") == 0
    assert scene.value("concur_engine_restarts_total") == 1
    assert scene.value("concur_control_decisions_total", kind="hold") == 1


def test_what_is_unknown_is_left_out_and_not_zero(scene: Scene) -> None:
    unknown = [name for name, _, _ in GAUGES if scene.value(name) is None]
    assert unknown == [
        "concur_window_tokens",
        "concur_first_token_tail_seconds",
        "concur_first_token_target_seconds",
        "concur_first_token_target_met",
        "concur_engine_kv_usage_ratio",
        "concur_engine_prefix_hit_ratio",
        "concur_engine_running_requests",
        "concur_engine_waiting_requests",
        "concur_engine_capacity_tokens",
    ]
    scene.monitors[0].on_sample(IntervalRates(now=100.0, kv_usage=0.5), EngineSample(at=100.0, kind="vllm"))
    assert scene.value("concur_engine_kv_usage_ratio") == 0.5
    assert scene.value("concur_engine_prefix_hit_ratio") is None


async def test_the_goal_shows_its_target_and_whether_it_is_met() -> None:
    scene = Scene(goal=Goal.FIRST_TOKEN, target_s=20.0)
    assert scene.value("concur_first_token_target_seconds") == 20
    assert scene.value("concur_first_token_target_met") is None, "there are no answers yet"
    for _ in range(ENOUGH):
        ticket = scene.arrive("a")
        scene.coordinator.finish(ticket, Answered(prompt_tokens=10, completion_tokens=1, first_token_s=1.5))
    assert scene.value("concur_first_token_target_met", engine=ticket.engine) == 1
    assert scene.value("concur_first_token_tail_seconds", engine=ticket.engine) == 1.5


def test_dropped_token_counts_are_counted_for_their_engine(scene: Scene) -> None:
    assert scene.value("concur_usage_dropped_total") == 0
    absurd = Usage(prompt_tokens=10**20, completion_tokens=1)
    scene.monitors[0].tokens.on_usage(absurd, first_token_at=None, is_batch=False)
    assert scene.value("concur_usage_dropped_total") == 1
    assert scene.value("concur_usage_dropped_total", engine=ENGINES[1]) == 0


def test_silence_shows_in_age_staleness_failures_and_the_window(scene: Scene) -> None:
    assert scene.value("concur_engine_signals_stale") == 1
    for _ in range(16):
        scene.now += 1
        scene.monitors[0].on_failure("refused", reachable=False)
    assert scene.value("concur_engine_signal_age_seconds") == 16
    assert scene.value("concur_scrape_failures_total") == 16
    assert scene.value("concur_scrape_failures_total", engine=ENGINES[1]) == 0
    assert scene.value("concur_control_decisions_total", kind="freeze") == 10
    assert scene.value("concur_control_decisions_total", kind="fallback") == 1
    assert scene.value("concur_window_sessions") == 64
    assert scene.value("concur_engine_up") == 0
    assert scene.value("concur_engine_up", engine=ENGINES[1]) == 1


def test_an_infinite_window_can_be_exported(scene: Scene) -> None:
    scene.coordinator.apply(Resize(engine=ENGINES[0], window=float("inf")))
    assert scene.value("concur_window_sessions") == float("inf")


def test_names_and_units_follow_the_conventions(scene: Scene) -> None:
    families = list(text_string_to_metric_families(generate_latest(scene.registry).decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    for family in families:
        assert re.fullmatch(r"concur_[a-z]+(_[a-z]+)*", family.name)
        assert family.documentation
        assert not family.documentation.endswith(".")
        if family.type == "counter":
            assert all(sample.name == f"{family.name}_total" for sample in family.samples)
        else:
            assert family.type == "gauge"
            flags = {"concur_engine_circuit", "concur_engine_up", "concur_engine_signals_stale"}
            flags.add("concur_first_token_target_met")
            assert family.name.endswith(UNITS) or family.name in flags


def test_it_is_valid_openmetrics_too(scene: Scene) -> None:
    text = exposition.generate_latest(scene.registry).decode()  # type: ignore[no-untyped-call]
    families = list(parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    assert {family.name for family in families} >= {"concur_sessions", "concur_admissions", "concur_control_decisions"}


async def test_no_label_grows_with_the_sessions(scene: Scene) -> None:
    for session in range(5):  # the tenant is known then at each engine
        scene.arrive(f"first-{session}")
    before = {(sample.name, *sorted(sample.labels)) for sample in scene.samples()}
    number = sum(1 for _ in scene.samples())
    for session in range(50):
        scene.arrive(f"session-{session}")
    assert {(sample.name, *sorted(sample.labels)) for sample in scene.samples()} == before
    assert sum(1 for _ in scene.samples()) == number
    assert "session-" not in generate_latest(scene.registry).decode()
