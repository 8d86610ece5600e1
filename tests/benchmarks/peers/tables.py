"""The tables, and what they say."""

from collections.abc import Iterator, Sequence

from tests.benchmarks.peers.arms import NAMES, OWN, PEERS
from tests.benchmarks.peers.figures import Run

HEAD = (
    "| {load} | total time, s | to ours | cache hits | engine busy | first token p50, s | p99, s | session p50, s "
    "| p99, s | errors | CPU, s | lag |"
)
AHEAD = 0.99
"""A peer that takes less than this share of our time is ahead. Less than 1 % is noise of one run."""


def table(load: str, runs: Sequence[Run]) -> Iterator[str]:
    """A row for each arm that has been run, in the usual order."""
    known = {run.arm: run for run in runs}
    own = known.get(OWN)
    yield HEAD.format(load=load)
    yield f"| --- {'| ---: ' * 11}|"
    for name in NAMES:
        if name in known:
            yield _row(known[name], own)


def _row(run: Run, own: Run | None) -> str:
    cells = (
        f"{run.arm}{f' ({run.note})' if run.note else ''}",
        f"{run.makespan_s:.0f}"
        if run.is_complete
        else f"more than {run.makespan_s:.0f}: {run.finished} of {run.agents}",
        "" if own is None else f"{run.makespan_s / own.makespan_s:.2f}",
        f"{run.hits:.2f}",
        "" if run.busy is None else f"{100 * run.busy:.0f} %",
        *(f"{value:.1f}" for value in (*run.first_token_s, *run.session_s)),
        str(run.errors),
        "" if run.cpu_s is None else f"{run.cpu_s:.1f}",
        "" if run.lag is None else f"{100 * run.lag:.1f} %",
    )
    return f"| {' | '.join(cells)} |"


def winners(load: str, runs: Sequence[Run]) -> Iterator[str]:
    """A line for each peer that finished before our default."""
    known = {run.arm: run for run in runs}
    own = known.get(OWN)
    for name in PEERS if own is not None else ():
        peer = known.get(name)
        if peer is None or own is None or not peer.is_complete or peer.makespan_s >= AHEAD * own.makespan_s:
            continue
        yield (
            f"- {load}: **{name} was ahead**, {peer.makespan_s:.0f} s against {own.makespan_s:.0f} s. The engine "
            f"computed {peer.computed_tokens / 1e3:.0f}k prompt tokens against {own.computed_tokens / 1e3:.0f}k"
            f"{_idle(peer, own)}."
        )


def _idle(peer: Run, own: Run) -> str:
    if peer.busy is None or own.busy is None:
        return ""
    idle_s = [(1 - run.busy) * run.makespan_s for run in (peer, own) if run.busy is not None]
    return f", and was idle for {idle_s[0]:.0f} s against {idle_s[1]:.0f} s"


def facts(runs: Sequence[Run]) -> Iterator[str]:
    """How all these runs were made."""
    versions = sorted({run.version for run in runs if run.version})
    models = sorted({run.model for run in runs if run.busy is None})
    if versions:
        yield f"Versions: {', '.join(versions)}."
    if models:
        yield f"Model of real vLLM: {', '.join(models)}."
    if at_once := max((run.at_once for run in runs if run.busy is not None), default=0):
        yield f"Arms of the emulated engine ran {'one at a time' if at_once == 1 else f'up to {at_once} at a time'}."
    yield f"Commits at which the arms were measured: {', '.join(sorted({run.commit for run in runs}))}."
