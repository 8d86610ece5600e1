from dataclasses import replace

from rich.console import Console

from concur_proxy.engines.sample import IntervalRates
from concur_proxy.lab.demo.display import LiveView, RunResult, sparkline, table
from concur_proxy.lab.demo.fleet import Progress
from concur_proxy.lab.demo.watch import Watch


def shown(renderable: object) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


RUN = RunResult(
    name="no control",
    makespan_s=30.0,
    hit_rate=0.5,
    preemptions=2.0,
    turns=10,
    failures=0,
    p50_turn_s=1.0,
    p99_turn_s=3.0,
    most_active=None,
    time_scale=2.0,
    engine_lag=0.01,
    turn_lag=0.03,
    virtual_s=58.0,
)


def test_the_table_has_both_runs_in_the_engines_seconds() -> None:
    text = shown(table([RUN, replace(RUN, name="gateway", makespan_s=15.0, most_active=12.0)]))
    total, virtual = (line for line in text.splitlines() if "total time" in line)
    assert "60 s" in total
    assert "30 s" in total
    assert "58 s" in virtual
    assert "12" in text
    assert "3 %" in text


def test_the_table_fits_a_narrow_terminal() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table([RUN, replace(RUN, name="through concur-proxy (aimd)")]))
    assert "through concur-proxy (aimd)" in capture.get()
    assert "…" not in capture.get()


def test_what_is_not_known_is_a_dash() -> None:
    text = shown(table([replace(RUN, hit_rate=None, preemptions=None, virtual_s=None)]))
    assert [line.split("│")[2].strip() for line in text.splitlines() if "hit rate" in line or "virtual" in line] == [
        "-",
        "-",
    ]


def test_the_live_view_shows_progress_signals_and_the_window() -> None:
    progress = Progress(total_turns=20, turns=5, in_flight=3)
    watch = Watch(usage=[0.1, 0.9], rates=IntervalRates(now=1.0, kv_usage=0.9, running=4, waiting=2, hit_rate=0.25))
    before = shown(LiveView("run", progress, watch))
    assert "5/20 turns" in before
    assert "running 4, waiting 2, hit rate 25 %" in before
    assert "sessions" not in before
    assert "in flight    3" in before
    watch.gateway.update({"active": 5.0, "queued": 7.0})
    watch.active.extend([3.0, 6.0])
    assert "admitted 5, idle 0, waiting 7" in shown(LiveView("run", progress, watch))


def test_a_sparkline_has_one_bar_per_value() -> None:
    assert sparkline([0.0, 0.5, 1.0, 7.0], width=4) == " ▄██"
    assert sparkline([1.0] * 50, width=10) == "█" * 10
    assert sparkline([], width=3) == "   "
