"""Host names and the clock change for a process that runs, where this machine allows it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.soak.machine import ENGINE_NAME, GOOD, STALE, machine

SHOWS = f"""
import socket, sys, time
for _ in sys.stdin:
    try:
        print(socket.gethostbyname("{ENGINE_NAME}"), time.time(), flush=True)
    except OSError:
        print("nowhere", time.time(), flush=True)
"""
AN_HOUR_S = 3600


def test_a_process_sees_each_change_at_once(tmp_path: Path) -> None:
    here = machine(tmp_path)
    if here.lacks:
        pytest.skip(" ".join(here.lacks))
    seen = []
    with subprocess.Popen(
        [*here.launcher, sys.executable, "-c", SHOWS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for addresses, seconds in (((GOOD,), 0), ((), AN_HOUR_S), ((STALE,), -AN_HOUR_S)):
            here.resolve(*addresses)
            here.shift(seconds)
            process.stdin.write("\n")
            address, now = process.stdout.readline().split()
            seen.append((address, round((float(now) - time.time()) / AN_HOUR_S)))
    assert seen == [(GOOD, 0), ("nowhere", 1), (STALE, -1)]
