"""The comparison with peers: agents measure what they see, runs are kept, and the tables say who was ahead."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from concur_proxy.lab.demo.workload import Kind, Workload, write_scripts
from tests.benchmarks.kept_runs import KeptRuns
from tests.benchmarks.peers import pieces
from tests.benchmarks.peers.arms import DIRECT, OWN, ROUTER, by_agentic_context, by_headers
from tests.benchmarks.peers.calibration import Calibration, measured
from tests.benchmarks.peers.figures import Run
from tests.benchmarks.peers.fleet import Fleet
from tests.benchmarks.peers.loads import ENGINE, LOADS, Load
from tests.benchmarks.peers.measuring import Settings
from tests.benchmarks.peers.pieces import Job, known, run_missing
from tests.benchmarks.peers.tables import table, winners
from tests.benchmarks.peers.versions import version
from tests.benchmarks.process import free_port, running
from tests.benchmarks.relay.python_peers import THUNDER

SCRIPTS = write_scripts(
    Workload(
        agents=2, turns=2, first_tokens=50, growth_tokens=20, answer_tokens=5, tool_s=(0.0, 0.01), kinds=(Kind.FAMILY,)
    )
)
RUN = Run(
    arm=OWN,
    makespan_s=60.0,
    hits=0.8,
    computed_tokens=90_000.0,
    busy=0.9,
    first_token_s=(2.0, 30.0),
    session_s=(40.0, 59.0),
    finished=64,
    agents=64,
    errors=0,
    first_error="",
    cpu_s=4.0,
    lag=0.01,
    model="emulated",
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
    assert calibration.step_s + calibration.step_s_per_request == pytest.approx(exact.step_s, rel=0.9), (
        "a busy machine is late"
    )
    prompt_s = calibration.prefill_s + 4 * calibration.prefill_s_per_1k + 16 * calibration.prefill_s_per_1k_squared
    assert prompt_s == pytest.approx(exact.prefill_s + 4 * exact.prefill_s_per_1k, rel=0.9)


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_the_warm_up_fits_into_the_cache_and_fills_the_statistics(load: Load) -> None:
    scripts = load.warm_up()

    assert sum(len(script.turns) - 1 for script in scripts) > 100
    shared = len(scripts[0].system)
    own = sum(len(turn.text) + 4 * turn.answer_tokens for script in scripts for turn in script.turns)
    assert (shared + own) / 4 < ENGINE.capacity_tokens


def test_a_run_counts_for_its_load_its_seed_and_the_peers_version(tmp_path: Path) -> None:
    settings = Settings(seed=1, environments=tmp_path, most_s=1, kept=tmp_path / "kept")
    jobs = {arm: Job(load="base", arm=arm, settings=settings) for arm in (DIRECT, OWN, ROUTER)}
    for job in jobs.values():
        KeptRuns(settings.kept, Run).figures(job.run, job.code, partial(replace, RUN, arm=job.arm))

    assert [run.arm for run in known("base", settings)] == [DIRECT, OWN, ROUTER]
    assert known("families", settings) == []
    assert known("base", replace(settings, seed=2)) == []

    _package(tmp_path / ROUTER, "vllm_router", "0.1.17")
    assert [run.arm for run in known("base", settings)] == [DIRECT, OWN]
    assert jobs[ROUTER].version == "vllm-router 0.1.17"


def test_missing_arms_are_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = Workload(agents=2, turns=2, first_tokens=50, growth_tokens=20, answer_tokens=2, tool_s=(0.0, 0.01))
    small = Load(name="small", summary="small", workload=workload, warm_up_agents=1, warm_up_turns=2)
    monkeypatch.setattr(pieces, "EMULATED", {"small": small})
    settings = Settings(seed=1, environments=tmp_path, most_s=20, kept=tmp_path / "kept")

    assert run_missing(["small"], [OWN], settings) == 0
    (run,) = known("small", settings)
    assert (run.arm, run.finished, run.errors) == (OWN, 2, 0)
    assert run.busy is not None
    assert 0 < run.busy <= 1
    assert 0 < run.computed_tokens < 2 * 400
    late = replace(settings, ends_at=time.time() - 1)
    assert run_missing(["small"], [OWN], late) == 0, "this arm is kept"
    assert run_missing(["small"], [OWN, DIRECT], late) == 1


def test_a_peer_installed_from_other_sources_is_another_version(tmp_path: Path) -> None:
    assert version(THUNDER, tmp_path) is None
    packages = _package(tmp_path / THUNDER, "thunderagent", "0.1.0")
    before = version(THUNDER, tmp_path)
    record = packages / "thunderagent-0.1.0.dist-info" / "RECORD"
    record.write_text(record.read_text().replace("AAAA", "BBBB"))

    after = version(THUNDER, tmp_path)
    assert before is not None
    assert after is not None
    assert before.name == after.name == "ThunderAgent 0.1.0"
    assert before.files != after.files


def _package(environment: Path, name: str, number: str) -> Path:
    packages = environment / "lib" / "python3.11" / "site-packages"
    info = packages / f"{name}-{number}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,sha256=AAAA,10\n{name}-{number}.dist-info/METADATA,,\n")
    return packages


def test_a_peer_that_is_ahead_is_named() -> None:
    ahead = replace(RUN, arm=ROUTER, makespan_s=50.0, hits=0.9, computed_tokens=50_000.0, busy=0.8)
    stopped = replace(RUN, arm=THUNDER, makespan_s=30.0, finished=12)
    runs = [stopped, ahead, RUN]

    lines = list(table("base", runs))
    assert len({line.count("|") for line in lines}) == 1
    assert "| 50 | 0.83 | 0.90 | 80 % |" in lines[3]
    assert "more than 30: 12 of 64" in lines[4]
    said = list(winners("base", runs))
    assert len(said) == 1
    assert "vllm-router was ahead" in said[0]
    assert "50k prompt tokens against 90k, and was idle for 10 s against 6 s" in said[0]
