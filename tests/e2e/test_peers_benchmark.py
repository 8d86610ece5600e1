"""The comparison with peers: agents measure what they see, runs are kept, and the tables say who was ahead."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from concur_proxy.lab.demo.workload import Kind, Workload, write_scripts
from tests.benchmarks.peers.arms import OWN, ROUTER, THUNDER, by_agentic_context, by_headers
from tests.benchmarks.peers.calibration import Calibration, measured
from tests.benchmarks.peers.fleet import Fleet
from tests.benchmarks.peers.kept import Kept, Run
from tests.benchmarks.peers.loads import ENGINE, LOADS, Load
from tests.benchmarks.peers.tables import table, winners
from tests.benchmarks.process import free_port, running

SCRIPTS = write_scripts(
    Workload(
        agents=2, turns=2, first_tokens=50, growth_tokens=20, answer_tokens=5, tool_s=(0.0, 0.01), kinds=(Kind.FAMILY,)
    )
)
RUN = Run(
    load="base",
    arm=OWN,
    seed=1,
    makespan_s=60.0,
    hits=0.8,
    first_token_s=(2.0, 30.0),
    session_s=(40.0, 59.0),
    finished=64,
    agents=64,
    errors=0,
    first_error="",
    cpu_s=4.0,
    lag=0.01,
    commit="abc",
)


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    port = free_port()
    with running("concur_proxy", "engine", "--port", str(port), port=port, core=None):
        yield f"http://127.0.0.1:{port}"


async def test_agents_see_first_tokens_and_sessions(engine: str) -> None:
    seen = await Fleet(engine, "emulated", by_headers, says_end=True).run(SCRIPTS, most_s=20)

    assert (seen.agents, seen.finished, seen.errors) == (2, 2, 0)
    assert len(seen.first_token_s) == sum(script.all_turns for script in SCRIPTS)
    assert len(seen.session_s) == 2, "sub-agents are no sessions"
    assert 0 < min(seen.first_token_s) <= max(seen.session_s) <= seen.makespan_s


async def test_a_failed_request_is_counted_and_the_fleet_ends_in_time(engine: str) -> None:
    seen = await Fleet(engine, "another model", by_headers, says_end=True).run(SCRIPTS, most_s=0.2)

    assert (seen.finished, seen.errors) == (0, 2)
    assert "404" in seen.first_error


def test_the_last_request_of_an_agent_ends_its_session() -> None:
    child = SCRIPTS[0].turns[0].children[0]

    assert by_headers(child, is_last=False).headers == {"x-session-id": child.name, "x-parent-session-id": "agent-0"}
    assert by_headers(SCRIPTS[0], is_last=True).headers == {"x-session-id": "agent-0", "x-session-end": "true"}
    assert by_agentic_context(SCRIPTS[0], is_last=True).fields == {
        "vllm_xargs": {"agentic_context": {"program_id": "agent-0", "expected_resume": False}}
    }


def test_the_coefficients_of_the_emulated_engine_predict_its_steps() -> None:
    calibration = Calibration.of_emulated(ENGINE)
    cost = ENGINE.shape.cost

    whole_steps_s = 5 * cost.duration_s(prefill_tokens=ENGINE.token_budget, decoding=0)
    predicted_s = calibration.prefill_s_per_1k * 5 * ENGINE.token_budget / 1_000
    assert predicted_s == pytest.approx(whole_steps_s)
    decoding_s = cost.duration_s(prefill_tokens=0, decoding=8)
    assert calibration.step_s + 8 * calibration.step_s_per_request == pytest.approx(decoding_s)


def test_measured_coefficients_predict_an_engine(engine: str) -> None:
    calibration = measured(engine, "emulated", 1000)

    exact = Calibration.of_emulated(ENGINE)
    assert calibration.step_s + calibration.step_s_per_request == pytest.approx(exact.step_s, rel=0.3)
    prompt_s = calibration.prefill_s + 4 * calibration.prefill_s_per_1k + 16 * calibration.prefill_s_per_1k_squared
    assert prompt_s == pytest.approx(exact.prefill_s + 4 * exact.prefill_s_per_1k, rel=0.5)


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_the_warm_up_fits_into_the_cache_and_fills_the_statistics(load: Load) -> None:
    scripts = load.warm_up()

    assert sum(len(script.turns) - 1 for script in scripts) > 100
    shared = len(scripts[0].system)
    own = sum(len(turn.text) + 4 * turn.answer_tokens for script in scripts for turn in script.turns)
    assert (shared + own) / 4 < ENGINE.capacity_tokens


def test_kept_runs_are_read_again_and_the_last_counts(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept")
    kept.add(RUN)
    kept.add(replace(RUN, makespan_s=50.0))

    again = Kept(tmp_path / "kept")
    assert again.get("base", OWN, 1) == replace(RUN, makespan_s=50.0)
    assert again.get("base", OWN, 2) is None
    assert again.of("base", 1) == kept.of("base", 1)


def test_a_peer_that_is_ahead_is_named() -> None:
    ahead = replace(RUN, arm=ROUTER, makespan_s=50.0, hits=0.9)
    stopped = replace(RUN, arm=THUNDER, makespan_s=30.0, finished=12)
    runs = [stopped, ahead, RUN]

    lines = list(table("base", runs))
    assert len({line.count("|") for line in lines}) == 1
    assert "| 50 | 0.83 | 0.90 |" in lines[3]
    assert "more than 30: 12 of 64" in lines[4]
    said = list(winners("base", runs))
    assert len(said) == 1
    assert "vllm-router was ahead" in said[0]
