"""The C programs of the relay's benchmark compile, and see what they should see without a proxy."""

import dataclasses
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.process import free_port, started
from tests.benchmarks.relay import FEW, bars, tables
from tests.benchmarks.relay.held import Held
from tests.benchmarks.relay.loads import LOADS, Load, measured
from tests.benchmarks.relay.native import compiled
from tests.benchmarks.relay.python_peers import STACK, THUNDER

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the programs use epoll"),
    pytest.mark.skipif(shutil.which("cc") is None and shutil.which("gcc") is None, reason="no C compiler"),
]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """The load, and the port of the engine."""
    folder, port = tmp_path_factory.mktemp("programs"), free_port()
    load, engine = compiled("load", folder), compiled("engine", folder)
    with started([str(engine), str(port)], port=port):
        yield load, port


def test_requests_streams_and_pings_are_counted(programs: tuple[Path, int]) -> None:
    load, port = programs
    paced = Load({"connections": 4, "stream": 1, "pace": 5, "events": 20, "warm": 50}, pings=True)
    plain = measured(load, LOADS["4 kB"], port=port, pids=[], ping="", seconds=0.1)
    large = measured(load, LOADS["200 kB alone"], port=port, pids=[], ping="", seconds=0.1)
    streams = measured(load, paced, port=port, pids=[], ping="/health", seconds=0.2)

    assert plain.requests_s > 100
    assert 0 < plain.p50_ms <= plain.p99_ms
    assert large.requests_s > 10
    assert streams.events_s > 4 * 20
    assert streams.first_byte_ms > 0
    assert streams.pause_ms > 0


def test_a_failing_server_fails_the_measurement(programs: tuple[Path, int]) -> None:
    with pytest.raises(RuntimeError, match="failed"):
        measured(programs[0], LOADS["4 kB alone"], port=free_port(), pids=[], ping="", seconds=0.1)


def test_every_table_has_a_row_for_each_proxy(programs: tuple[Path, int]) -> None:
    figures = measured(programs[0], LOADS["4 kB"], port=programs[1], pids=[], ping="", seconds=0.05)
    seen = {name: dict.fromkeys(LOADS, figures) for name in (tables.DIRECT, "a proxy")}
    seen["a slow proxy"] = dict.fromkeys(FEW, figures)

    tabled = tables.requests(seen, "4 kB"), tables.requests(seen, "200 kB"), tables.streams(seen), tables.pauses(seen)
    for table, rows in zip(tabled, (3, 2, 2, 2), strict=True):
        lines = table.splitlines()
        assert len(lines) == 2 + rows
        assert len({line.count("|") for line in lines}) == 1


def test_each_bar_is_judged_or_says_why_not(programs: tuple[Path, int]) -> None:
    figures = measured(programs[0], LOADS["4 kB"], port=programs[1], pids=[], ping="", seconds=0.05)
    alone = {name: dict.fromkeys(LOADS, figures) for name in (tables.DIRECT, bars.OWN)}
    costly = dict.fromkeys(LOADS, dataclasses.replace(figures, request_cpu_us=50.0, pause_ms=21.0))
    cheap = dict.fromkeys(LOADS, dataclasses.replace(figures, request_cpu_us=40.0))
    peers = alone | {bars.OWN: costly} | dict.fromkeys((bars.SCHEDULING, bars.ROUTER, "nginx", "HAProxy"), cheap)
    slow = {name: {"4 kB": dataclasses.replace(figures, request_cpu_us=1000.0)} for name in (STACK, THUNDER)}
    held = Held(requests=1000, failed=0, before=100.0, during=113.0, after=115.0)

    without, with_peers = bars.verdicts(alone, None), bars.verdicts(peers | slow, held)
    assert without.count("Not judged") == 6
    assert "Not judged" not in with_peers
    assert "50.0 us, 1.25 times vllm-router, program scheduling's 40.0. Missed: the bar is 1 times." in with_peers
    assert (
        "production-stack: 1,000 us for a request of 4 kB, 20.0 times ours. Reached: the bar is at least 10"
        in with_peers
    )
    assert "ThunderAgent: 1,000 us for a request of 4 kB, 20.0 times ours. Missed: the bar is at least 40" in with_peers
    assert "Longest pause, 4 kB: 21 ms. Missed: the bar is 20 ms." in with_peers
    assert "A request that waits: 13.0 kB. Missed: the bar is 12 kB." in with_peers
    assert "1.15 times that before. Reached: the bar is 1.2 times." in with_peers
