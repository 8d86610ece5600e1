"""Ctrl-C in the coroutine of a command."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from concur_proxy.cli.run_async import run_async

SLOW_TO_END = """
import asyncio, time
from concur_proxy.cli.run_async import run_async

async def work():
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(agent(number))
        await asyncio.sleep(0)
        print("ready", flush=True)

async def agent(number):
    try:
        await asyncio.sleep(60)
    finally:
        print("ending", flush=True)
        time.sleep(0.2)  # a signal arrives in the middle of this task
        await asyncio.sleep(60)

run_async(work())
"""


def test_the_result_is_returned_and_the_handler_restored() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    before = signal.getsignal(signal.SIGINT)
    assert run_async(work()) == 7
    assert signal.getsignal(signal.SIGINT) is before


def test_one_ctrl_c_lets_the_work_end_what_it_has_started() -> None:
    ended = []

    async def work() -> None:
        asyncio.get_running_loop().call_later(0.01, signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_async(work())
    assert ended


def test_a_second_ctrl_c_ends_the_process_at_once_without_a_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_END],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        for line in ("ready", "ending"):
            assert process.stdout.readline() == f"{line}\n"
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == -signal.SIGINT
        assert process.stderr is not None
        assert process.stderr.read() == ""
