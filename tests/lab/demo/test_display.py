from rich.console import Console

from concur_proxy.engines.sample import IntervalRates
from concur_proxy.lab.demo.display import LiveView, RunResult, comparison, sparkline
from concur_proxy.lab.demo.fleet import Progress
from concur_proxy.lab.demo.watch import Watch


def shown(renderable: object) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def result(name: str, seconds: float, **values: float | None) -> RunResult:
    known = {"hit_rate": 0.5, "preemptions": 2.0, "most_active": None, **values}
    return RunResult(name=name, makespan_s=seconds, turns=10, failures=0, p50_turn_s=1.0, p99_turn_s=3.0, **known)


def test_the_comparison_has_both_runs_and_their_ratio() -> None:
    text = shown(comparison([result("no control", 30.0), result("gateway", 15.0, most_active=12)]))
    assert "1.00x" in text
    assert "2.00x" in text
    assert "12" in text


def test_the_comparison_is_whole_on_a_narrow_terminal() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(comparison([result("no control", 30.0), result("through concur-proxy (aimd)", 15.0)]))
    assert "through concur-proxy (aimd)" in capture.get()
    assert "…" not in capture.get()


def test_what_the_engine_does_not_tell_is_a_dash() -> None:
    text = shown(comparison([result("no control", 30.0, hit_rate=None, preemptions=None)]))
    assert "0.50" not in text


def test_the_live_view_shows_progress_signals_and_the_window() -> None:
    progress = Progress(total_turns=20, turns=5, waiting=3)
    watch = Watch(usage=[0.1, 0.9], rates=IntervalRates(now=1.0, kv_usage=0.9, running=4, waiting=2, hit_rate=0.25))
    before = shown(LiveView("run", progress, watch))
    assert "5/20 turns" in before
    assert "running 4, waiting 2, hit rate 0.25" in before
    assert "sessions" not in before
    watch.gateway.update({"active": 5.0, "queued": 7.0})
    watch.active.extend([3.0, 6.0])
    assert "active 5, paused 0, queued 7" in shown(LiveView("run", progress, watch))


def test_a_sparkline_has_a_bar_for_each_of_the_last_values() -> None:
    assert sparkline([0.0, 0.5, 1.0, 7.0], width=4) == " ▄██"
    assert sparkline([1.0] * 50, width=10) == "█" * 10
    assert sparkline([], width=3) == "   "
