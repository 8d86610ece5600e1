import os
import signal
import threading

import pytest

from concur_proxy.lab.simulation.policy import BEST_STATIC, CAPS, POLICIES
from concur_proxy.lab.simulation.suite import Suite, summary, tabulate
from tests.lab.simulation.small import small


def test_it_runs_every_policy_in_every_scenario_with_every_seed() -> None:
    suite = Suite(scenarios=[small(agents=6)], policies=[POLICIES["off"], POLICIES["tokens"]], seeds=[1, 2])
    results = list(suite.results(processes=2))
    assert {(result.policy, result.seed) for result in results} == {(p, s) for p in ("off", "tokens") for s in (1, 2)}
    rows = tabulate(suite, results)
    assert [row.policy for row in rows] == ["off", "tokens"]
    assert rows[0].relative == 1.0


def test_the_best_cap_is_the_yardstick_or_none_where_that_is_better() -> None:
    suite = Suite(scenarios=[small(agents=30)], policies=[POLICIES["off"], POLICIES["tokens"]], seeds=[1], sweeps=True)
    results = list(suite.results(processes=1))
    assert len(results) == 2 + len(CAPS)
    rows = {row.policy: row for row in tabulate(suite, results)}
    caps = [result.makespan_s for result in results if result.policy.startswith("static-")]
    assert rows[BEST_STATIC].makespan_s == min(caps)
    assert min(rows[BEST_STATIC].relative, rows["off"].relative) == pytest.approx(1.0)
    mean, worst = summary(list(rows.values()))["tokens"]
    assert mean == pytest.approx(worst) == pytest.approx(rows["tokens"].relative)


def test_ctrl_c_that_comes_while_a_process_starts_is_not_lost() -> None:
    pressing = [True]
    os.register_at_fork(before=lambda: signal.raise_signal(signal.SIGINT) if pressing and pressing.pop() else None)
    suite = Suite(scenarios=[small(agents=6)], policies=[POLICIES["off"]], seeds=[1, 2])
    with pytest.raises(KeyboardInterrupt):
        list(suite.results(processes=2))
    assert not pressing


def test_ending_early_leaves_no_error_of_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    suite = Suite(scenarios=[small()], policies=[POLICIES["off"]], seeds=range(200))
    results = suite.results(processes=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert failures == []
