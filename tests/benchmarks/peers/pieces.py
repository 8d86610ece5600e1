"""The arms that are asked for, each run once: in pieces, and several at once if wished."""

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, partial

import httpx

from tests.benchmarks import fingerprint
from tests.benchmarks.kept_runs import KeptRuns, OutOfTimeError
from tests.benchmarks.peers.arms import CAP, NAMES, OURS, PACKAGES
from tests.benchmarks.peers.engines import REAL, Open, emulated, has_vllm, real_name, real_summary, real_vllm
from tests.benchmarks.peers.figures import Run
from tests.benchmarks.peers.loads import ENGINE, LOADS, Load, simulated_best_cap
from tests.benchmarks.peers.measuring import Settings, measure
from tests.benchmarks.peers.versions import version
from tests.real_engine.install import VLLM

EMULATED = {load.name: load for load in LOADS}
REAL_LOADS = {real_name(kind): kind for kind in REAL}
REAL_CAPS = (3, 4, 6, 8)
"""Fixed caps that are tried on real vLLM. On the emulated engine the simulator knows the best one."""
_HARNESS = (
    *(f"tests/benchmarks/peers/{name}.py" for name in ("arms", "calibration", "fleet", "measuring")),
    *(f"tests/benchmarks/relay/{name}.py" for name in ("peers", "proxies")),
)
_ENGINE = ("concur_proxy/lab/engine", "concur_proxy/lab/server")
_FAILURES = (OSError, RuntimeError, httpx.HTTPError)
"""An engine or a gateway did not start, or broke off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One arm of one load."""

    load: str
    arm: str
    settings: Settings

    @property
    def run(self) -> str:
        """Its name in the file of runs."""
        return f"{self.load}, {self.arm}, seed {self.settings.seed}"

    @property
    def version(self) -> str:
        """Of the peer."""
        found = version(PACKAGES[self.arm], self.settings.environments) if self.arm in PACKAGES else None
        return "" if found is None else found.name

    @property
    def code(self) -> str:
        """What decides its result: the gateway or the peer, the engine, the load, and how they are run."""
        parts = [fingerprint.fingerprint(*_HARNESS), _load_digest(self.load, self.settings.seed)]
        if self.arm in OURS:
            parts.append(fingerprint.gateway())
        elif self.arm in PACKAGES:
            parts.append(repr(version(PACKAGES[self.arm], self.settings.environments)))
        return fingerprint.digest(parts)


@cache
def _load_digest(name: str, seed: int) -> str:
    """Of the engine and all that the agents say."""
    if name in REAL_LOADS:
        return fingerprint.digest([VLLM, real_summary(REAL_LOADS[name])])
    load = EMULATED[name]
    scripts = repr((load.has_names, load.says_end, load.warm_up(), load.scripts(seed)))
    return fingerprint.digest([fingerprint.fingerprint(*_ENGINE), repr(ENGINE), scripts])


def known(load: str, settings: Settings) -> list[Run]:
    """The runs of a load that are kept, in the order of `NAMES`."""
    kept = KeptRuns(settings.kept, Run)
    jobs = (Job(load=load, arm=arm, settings=settings) for arm in NAMES)
    return [run for run in (kept.known(job.run, job.code) for job in jobs) if run is not None]


def run_missing(loads: Sequence[str], arms: Sequence[str], settings: Settings) -> int:
    """Run the arms that are not kept. Returns how many are left, because time ended."""
    jobs = [Job(load=load, arm=arm, settings=settings) for load in loads for arm in arms]
    kept = KeptRuns(settings.kept, Run)
    missing = [job for job in jobs if kept.known(job.run, job.code) is None]
    left = 0
    with ProcessPoolExecutor(settings.at_once) as pool:
        running = {pool.submit(_run_emulated, job): job for job in missing if job.load in EMULATED}
        for done in as_completed(running):
            left += not _said(running[done], done.result)
    for kind in REAL if has_vllm() else ():
        left += _run_real(kind, [job for job in missing if job.load == real_name(kind)], settings)
    return left


def _run_emulated(job: Job) -> Run:
    load = EMULATED[job.load]
    cap = simulated_best_cap(load, job.settings.seed) if job.arm == CAP else 0
    return _run(job, load, emulated, (cap,))


def _run_real(kind: str, jobs: Sequence[Job], settings: Settings) -> int:
    """Returns how many of these jobs are left. All loads and arms of real vLLM get the same model."""
    if not jobs or (settings.ends_at is not None and time.time() > settings.ends_at):
        return len(jobs)
    models = [run.model for load in REAL_LOADS for run in known(load, settings)]
    with real_vllm(kind, settings.seed, model=models[0] if models else None) as (load, open_engine):
        done = [
            _said(job, partial(_run, job, load, open_engine, REAL_CAPS if job.arm == CAP else (0,))) for job in jobs
        ]
    return done.count(False)


def _run(job: Job, load: Load, open_engine: Open, caps: Sequence[int]) -> Run:
    """The best run of these caps."""

    def make() -> Run:
        runs = [
            measure(load, job.arm, job.settings, open_engine=open_engine, cap=cap, version=job.version) for cap in caps
        ]
        return min(runs, key=lambda run: (not run.is_complete, run.makespan_s))

    kept = KeptRuns(job.settings.kept, Run, ends_at=job.settings.ends_at)
    return kept.figures(job.run, job.code, make)


def _said(job: Job, result: Callable[[], Run]) -> bool:
    """Whether the run was made. Reports it on standard error."""
    try:
        run = result()
    except OutOfTimeError:
        return False
    except _FAILURES as error:
        print(f"{job.run}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return False
    print(f"{job.run}: {run.makespan_s:.0f} s", file=sys.stderr, flush=True)
    return True
