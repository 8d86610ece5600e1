import logging

import pytest

from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.changes import Serve
from concur_proxy.admission.outcome import Outcome
from concur_proxy.control.law import Decision, DecisionKind
from concur_proxy.control.laws import aimd
from concur_proxy.control.signal import CongestionSignal
from concur_proxy.engines.address import EngineAddress
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.engines.kinds.vllm.kind import Vllm
from concur_proxy.engines.sample import EngineSample, IntervalRates
from concur_proxy.monitoring.monitor import EngineMonitor
from tests.monitoring.monitors import REFUSED, Scene


async def test_the_law_sees_the_signals_and_the_gate_and_its_window_is_the_gates() -> None:
    seen: list[CongestionSignal] = []

    class Spy(aimd.Aimd):
        def on_signal(self, signal: CongestionSignal) -> Decision:
            seen.append(signal)
            return super().on_signal(signal)

    scene = Scene(Spy(aimd.AimdOptions(initial=2.0)))
    for key in "stu":
        scene.arrive(key)
    scene.sample()
    scene.sample(kv_usage=0.1, queried=200.0, hit=150.0, preempted=2.0, waiting=3)
    assert seen[-1] == CongestionSignal(
        now=102.0,
        kv_usage=0.1,
        hit_rate=0.75,
        preemptions=2.0,
        running=1,
        waiting=3,
        in_flight=2,
        capacity_tokens=8192,
        prefilled_tokens=50.0,
        hit_tokens=150.0,
        footprint_tokens=2 * 400 * 0.4,
        separate_tokens=2 * 400 * 0.4,
        active_sessions=2,
        queued_sessions=1,
    )
    assert scene.window == scene.law.window == 4.0
    assert scene.monitor.last_decision is not None
    assert scene.monitor.last_decision.kind is DecisionKind.INCREASE


async def test_a_cut_narrows_the_gate_and_growth_admits_who_waits() -> None:
    scene = Scene(initial=4.0)
    for key in "stuv":
        scene.arrive(key)
    held = scene.arrive("w")
    scene.sample()
    scene.thrash()
    assert scene.window == 2.0
    assert scene.monitor.decisions == {DecisionKind.HOLD: 1, DecisionKind.DECREASE: 1}
    for _ in range(2):
        scene.sample(kv_usage=0.1, waiting=3)  # with the one that runs, all that are in flight
    assert scene.window == 6.0
    assert held.outcome is Outcome.ADMITTED


async def test_room_that_a_reading_shows_is_used_at_once() -> None:
    scene = Scene(initial=1.0)
    scene.arrive("s")
    held = scene.arrive("t")
    scene.sample(waiting=0)
    assert held.outcome is Outcome.ADMITTED
    assert scene.window == 1.0


def test_what_was_read_is_there_to_be_told() -> None:
    scene = Scene()
    assert scene.monitor.rates is None
    assert scene.monitor.kind is None
    assert scene.monitor.failure == "not reached yet"
    assert scene.monitor.is_stale
    scene.sample()
    scene.sample(queried=100.0, hit=25.0, preempted=3.0)
    assert scene.monitor.rates is not None
    assert scene.monitor.rates.hit_rate == 0.25
    assert scene.monitor.kind == "vllm"
    assert scene.monitor.failure is None
    assert scene.monitor.preemptions == 3.0
    assert scene.monitor.signal_age_s == 0.0
    assert not scene.monitor.is_stale
    scene.now += 5.5
    assert scene.monitor.signal_age_s == 5.5
    assert scene.monitor.is_stale


def test_restarts_are_counted_and_preemptions_go_on() -> None:
    scene = Scene()
    scene.sample()
    scene.sample(preempted=3.0)
    scene.sample(started_at=2.0)
    scene.sample(preempted=4.0, started_at=2.0)
    assert scene.monitor.restarts == 1
    assert scene.monitor.preemptions == 7.0


def test_silence_holds_then_freezes_then_falls_open_and_heals() -> None:
    scene = Scene()
    scene.sample()
    scene.thrash()
    assert scene.window == 4.0
    kinds = []
    for _ in range(17):
        scene.fail()
        assert scene.monitor.last_decision is not None
        kinds.append(scene.monitor.last_decision.kind)
        assert scene.window == (64.0 if kinds[-1] is DecisionKind.FALLBACK else 4.0)
    assert kinds == [DecisionKind.HOLD] * 5 + [DecisionKind.FREEZE] * 10 + [DecisionKind.FALLBACK] * 2
    assert scene.monitor.scrape_failures == 17
    scene.sample()
    assert scene.window == 4.0, "the law goes on where it was"
    assert not scene.monitor.is_stale
    assert scene.monitor.failure is None


async def test_without_any_signal_ever_it_serves_and_falls_open_by_the_same_ages() -> None:
    scene = Scene(initial=1.0)
    served = scene.arrive("s")
    held = scene.arrive("t")
    assert served.outcome is Outcome.ADMITTED
    for _ in range(15):
        scene.fail()
    assert scene.monitor.is_stale
    assert scene.monitor.decisions == {DecisionKind.HOLD: 5, DecisionKind.FREEZE: 10}
    assert held.is_held
    scene.fail()
    assert held.outcome is Outcome.ADMITTED
    assert scene.window == 64.0


async def test_stale_room_is_not_used() -> None:
    scene = Scene(initial=1.0)
    first = scene.arrive("s")
    scene.sample(waiting=0)
    for _ in range(6):
        scene.fail()
    held = scene.arrive("t")
    assert held.is_held
    scene.coordinator.finish(first, Answered(prompt_tokens=10, completion_tokens=1, client_gone=True))
    assert held.outcome is Outcome.ADMITTED


def test_an_engine_without_kv_usage_is_as_one_without_signals_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    for _ in range(16):
        scene.sample(kv_usage=None)
    assert scene.window == 64.0
    assert scene.monitor.is_stale
    assert scene.monitor.failure == "the engine exports no KV usage"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "engine a: no signals: the engine exports no KV usage",
        "engine a: fallback window of 64 sessions: the engine's metrics have no KV cache usage; no signal for 16 s",
    ]
    scene.sample()
    assert scene.window == 8.0
    assert scene.monitor.failure is None


def test_each_episode_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scene = Scene()
    for _ in range(2):
        scene.sample()
        for _ in range(30):
            scene.fail()
    scene.sample()
    episode = [
        "engine a: signals are read; this is vllm",
        f"engine a: no signals: {REFUSED}",
        f"engine a: circuit open, requests go to other engines: {REFUSED}",
        f"engine a: fallback window of 64 sessions: cannot read metrics ({REFUSED}); no signal for 16 s",
    ]
    back = [episode[0], "engine a: circuit half open, requests go there again: it answers scrapes"]
    assert [record.getMessage() for record in caplog.records] == [*episode, *back, *episode[1:], *back]
    levels = [record.levelno for record in caplog.records]
    lost = [logging.WARNING] * 3
    assert levels == [logging.INFO, *lost, logging.INFO, logging.INFO, *lost, logging.INFO, logging.INFO]


def test_another_reason_for_the_same_silence_is_logged_and_shown(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    for reason in ("refused", "refused", "answers 500", "answers 500"):
        scene.fail(reason=reason)
    assert [record.getMessage() for record in caplog.records] == [
        "engine a: no signals: refused",
        "engine a: no signals: answers 500",
    ]
    assert scene.monitor.failure == "answers 500"


def test_the_fallback_is_announced_once_an_episode_though_the_engine_refuses_meanwhile(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    for _ in range(20):
        scene.fail()
        scene.monitor.on_overload()
    fallbacks = [record for record in caplog.records if "fallback window" in record.getMessage()]
    assert len(fallbacks) == 1


def test_a_refusal_by_the_engine_cuts_once_a_burst() -> None:
    scene = Scene()
    scene.sample()
    for _ in range(10):
        scene.monitor.on_overload()
    assert scene.window == 4.0
    assert scene.monitor.decisions[DecisionKind.DECREASE] == 1
    scene.now += 5.0
    scene.monitor.on_overload()
    assert scene.window == 2.0


async def test_a_cut_takes_no_place_from_an_answer_in_flight() -> None:
    scene = Scene(initial=2.0)
    tickets = [scene.arrive(key) for key in "st"]
    scene.monitor.on_overload()
    assert scene.window == 1.0
    assert all(ticket.is_in_flight for ticket in tickets)


async def test_what_an_engines_restart_has_emptied_counts_as_no_loss() -> None:
    scene = Scene()
    scene.sample()
    for cached in (None, 0):
        ticket = scene.arrive("s")
        scene.coordinator.finish(ticket, Answered(prompt_tokens=90, completion_tokens=10, cached_tokens=cached))
        scene.sample(started_at=2.0)
    snapshot = scene.coordinator.fleet.gates["a"].snapshot()
    assert (scene.monitor.restarts, snapshot.promised_tokens, snapshot.lost_tokens) == (1, 0, 0)


def test_a_law_that_raises_leaves_the_fixed_window_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(aimd.Aimd):
        def on_signal(self, signal: CongestionSignal) -> Decision:
            raise ZeroDivisionError(f"{signal.active_sessions} sessions")

    scene = Scene(Broken(aimd.AimdOptions()))
    for _ in range(5):
        scene.sample()
    assert scene.window == 64.0
    assert scene.monitor.decisions == {DecisionKind.FALLBACK: 5}
    fallbacks = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert fallbacks == [
        "engine a: fallback window of 64 sessions: the control law failed (ZeroDivisionError: 0 sessions)"
    ]


def test_its_models_are_told_to_the_store_and_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(engines=("a", "b"))
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            scene.monitor.on_models(200, b'{"data":[{"id":"base"},{"id":"adapter"}]}')
        assert scene.coordinator.fleet.candidates("adapter") == ["a", "b"], "nobody knows what b serves"
        scene.coordinator.apply(Serve(engine="b", models=["base"]))
        assert (scene.coordinator.fleet.candidates("adapter"), scene.coordinator.fleet.candidates("base")) == (
            ["a"],
            ["a", "b"],
        )
        scene.monitor.on_models(401, b"")
    assert [record.getMessage() for record in caplog.records] == [
        "engine a: models: adapter, base",
        "engine a: models: unknown",
    ]
    assert scene.coordinator.fleet.candidates("adapter") == ["a"], "b is known not to serve it"


def test_its_longest_context_is_learned_from_its_models() -> None:
    scene = Scene()
    scene.monitor.on_models(200, b'{"data":[{"id":"base","max_model_len":32768}]}')
    assert scene.monitor.tokens.max_model_len == 32_768
    scene.monitor.on_models(401, b"")
    assert scene.monitor.tokens.max_model_len is None


def test_a_corrected_size_is_what_the_law_and_the_metrics_get() -> None:
    scene = Scene()
    scene.monitor.on_models(200, b'{"data":[{"id":"base","max_model_len":32768}]}')
    rates = IntervalRates(now=101.0, kv_usage=0.3, capacity_tokens=8192)
    scene.monitor.on_sample(rates, EngineSample(at=101.0, kind="vllm", capacity_is_derived=True))
    assert scene.monitor.rates is not None
    assert scene.monitor.rates.capacity_tokens == 32_768


class Pinned(Vllm):
    """A kind that pins a request to a rank by another header."""

    name = "pinned"
    rank_header = "x-pin"


def test_a_rank_is_pinned_by_its_kinds_header_and_by_all_headers_while_the_kind_is_unknown() -> None:
    scene = Scene()
    assert scene.monitor.rank_headers == [], "the server is one engine"
    kinds = KnownKinds([Vllm(), Pinned()])
    address = EngineAddress(name="a", url="http://a", dp_rank=3)
    monitor = EngineMonitor(
        engine="a",
        address=address,
        coordinator=scene.coordinator,
        governor=scene.monitor.governor,
        clock=lambda: 0.0,
        kinds=kinds,
    )
    assert monitor.rank_headers == [(b"x-data-parallel-rank", b"3"), (b"x-pin", b"3")]
    monitor.kind = "pinned"
    assert monitor.rank_headers == [(b"x-pin", b"3")]
