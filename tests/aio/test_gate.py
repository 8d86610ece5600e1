import asyncio
from collections.abc import Callable

import pytest

from concur_proxy.admission.snapshot import GateSnapshot
from concur_proxy.aio import Gate, NotAdmitted, Reading, Turn
from tests.http.scripted_engine import ScriptedEngine, scripted_engine


def fixed(window: int, *, idle_lease: float | str = "auto") -> Gate:
    return Gate(law="static", law_options={"window": window}, idle_lease=idle_lease)


def state(gate: Gate) -> GateSnapshot:
    (snapshot,) = gate.engines.values()
    return snapshot


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.002)


class Calls:
    """Counts the calls of an engine that are made at once."""

    def __init__(self) -> None:
        self.now = self.most = self.total = 0

    async def __call__(self) -> None:
        self.now += 1
        self.total += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1


async def test_as_many_sessions_as_the_window_says_run_at_once() -> None:
    calls, running, most = Calls(), set[str](), 0

    async def roll_out(gate: Gate, name: str) -> None:
        nonlocal most
        for turn_number in range(3):
            async with gate.turn(name, prompt_tokens=100) as turn:
                running.add(name)
                most = max(most, len(running))
                await calls()
                turn.answered(prompt_tokens=100 * (turn_number + 1), completion_tokens=10)
        running.discard(name)
        assert gate.end(name)

    async with fixed(3) as gate:
        await asyncio.gather(*(roll_out(gate, f"rollout-{number}") for number in range(20)))
        assert (state(gate).active, state(gate).waiting) == (0, 0)
    assert (calls.total, most) == (60, 3)
    assert 1 < calls.most <= 3


async def test_single_calls_are_bounded_too() -> None:
    calls = Calls()

    async def call(gate: Gate) -> None:
        async with gate.turn(None, prompt_tokens=100):
            await calls()

    async with fixed(4) as gate:
        await asyncio.gather(*(call(gate) for _ in range(50)))
    assert (calls.total, calls.most) == (50, 4)


async def test_a_cancelled_call_frees_its_place() -> None:
    async with fixed(1) as gate:
        entered = asyncio.Event()

        async def call_for_ever() -> None:
            async with gate.turn("a"):
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(call_for_ever())
        await entered.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5), gate.turn("b"):
            assert state(gate).in_flight == 1


async def test_a_turn_that_is_cancelled_while_it_waits_leaves_the_queue() -> None:
    async with fixed(1) as gate, gate.turn("a"):
        waiting = asyncio.create_task(gate.turn("b").__aenter__())
        await until(lambda: state(gate).held == 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (state(gate).held, state(gate).waiting) == (0, 0)


async def test_a_call_that_fails_frees_its_place() -> None:
    async with fixed(1) as gate:
        with pytest.raises(ConnectionError):
            async with gate.turn("a"):
                raise ConnectionError
        async with asyncio.timeout(5), gate.turn("b"):
            pass


def _reported(turn: Turn) -> KeyError:
    turn.answered(prompt_tokens=100, completion_tokens=20)
    return KeyError()


async def test_an_answer_that_was_reported_counts_even_if_the_block_fails_later() -> None:
    async with fixed(1) as gate:
        turn = gate.turn("a")
        with pytest.raises(KeyError):
            async with turn:
                raise _reported(turn)
        assert (state(gate).answered_tokens, state(gate).active) == (120, 1)


async def test_a_session_keeps_its_place_between_its_turns() -> None:
    async with fixed(1, idle_lease=60) as gate:
        async with gate.turn("a"):
            pass
        with pytest.raises(NotAdmitted, match="session b: hold_timeout") as refused:
            await gate.turn("b", timeout_s=0.02).__aenter__()
        assert refused.value.reason == "hold_timeout"
        async with gate.turn("a") as again:
            assert again.waited_s == 0
        gate.end("a")
        async with asyncio.timeout(5), gate.turn("b") as turn:
            assert turn.engine == next(iter(gate.engines))


async def test_a_family_shares_a_place() -> None:
    async with fixed(1) as gate, gate.turn("planner"), asyncio.timeout(5), gate.turn("coder", parent="planner"):
        assert (state(gate).active, state(gate).in_flight) == (1, 2)


async def test_what_waits_is_told_that_the_gate_closes() -> None:
    async with fixed(1) as gate:
        await gate.turn("a").__aenter__()
        waiting = asyncio.create_task(gate.turn("b").__aenter__())
        await until(lambda: state(gate).held == 1)
    with pytest.raises(NotAdmitted, match="draining"):
        await waiting


async def test_the_length_of_a_prompt_is_its_footprint() -> None:
    async with fixed(8) as gate:
        for number in range(5):
            async with gate.turn(f"s{number}", prompt_tokens=3000) as turn:
                assert state(gate).footprint_tokens == pytest.approx(3000 + number * 3100, abs=2)
                turn.answered(prompt_tokens=3000, completion_tokens=100)


async def test_a_function_reports_the_signals() -> None:
    async def signals() -> Reading:
        return Reading(kv_usage=0.5, running=1, waiting=0, capacity_tokens=10_000)

    async with Gate(signals=signals, scrape_interval_s=0.01) as gate:
        await until(lambda: state(gate).budget_tokens is not None)
        budget = state(gate).budget_tokens
        assert budget is not None
        assert 5_000 < budget <= 10_000
        async with asyncio.timeout(5), gate.turn("a", prompt_tokens=4000), gate.turn("b", prompt_tokens=2000):
            with pytest.raises(NotAdmitted):
                await gate.turn("c", prompt_tokens=4000, timeout_s=0.02).__aenter__()


async def test_a_function_may_return_a_metrics_page() -> None:
    async with Gate(signals=ScriptedEngine(waiting=0).metrics_text, scrape_interval_s=0.01) as gate:
        await until(lambda: state(gate).budget_tokens is not None)


@pytest.mark.parametrize("text", ["", "nothing_known 1\n"])
async def test_a_page_of_no_known_engine_stops_nobody(text: str) -> None:
    async with Gate(signals=lambda: text, scrape_interval_s=0.01, fail_open_after_s=5) as gate:
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5), gate.turn("a"):
            pass


async def test_a_function_that_raises_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def signals() -> Reading:
        raise OSError("no engine")

    async with Gate(signals=signals, scrape_interval_s=0.01) as gate:
        await until(lambda: "no signals: OSError: no engine" in caplog.text)
        async with asyncio.timeout(5), gate.turn("a"):
            pass


async def test_the_metrics_of_engines_are_read() -> None:
    async with scripted_engine() as one, scripted_engine() as other:
        async with Gate(engine=[one.url, other.url], scrape_interval_s=0.02) as gate:
            await until(lambda: all(engine.budget_tokens for engine in gate.engines.values()))
            async with gate.turn("a") as first, gate.turn("b") as second:
                assert {first.engine, second.engine} == {one.url, other.url}
        assert not one.received


def test_environment_variables_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCUR_LAW", "none-such")
    monkeypatch.setenv("CONCUR_ENGINE", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9" not in fixed(1).engines


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="law tokens needs signals"):
        Gate()
    with pytest.raises(ValueError, match="not both"):
        Gate(engine="http://127.0.0.1:9", signals=lambda: "")
    with pytest.raises(ValueError, match="max_hold"):
        Gate(engine="http://127.0.0.1:9", max_hold="5")


async def test_a_turn_is_used_once() -> None:
    async with fixed(1) as gate:
        turn = gate.turn("a")
        async with turn:
            assert turn.engine
        with pytest.raises(RuntimeError, match="begun already"):
            await turn.__aenter__()
