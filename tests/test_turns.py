"""Long work lets others run, and only one of several goes on at a time."""

import asyncio
import time
from collections.abc import Generator

from concur_proxy.eager import Run
from concur_proxy.turns import TURN_S, in_turns

STEP_S = TURN_S / 4


def work(steps: int, done: list[str], name: str = "a") -> Generator[None, None, str]:
    """Each step takes a part of a turn."""
    for _ in range(steps):
        until = time.perf_counter() + STEP_S
        while time.perf_counter() < until:
            pass
        done.append(name)
        yield
    return name


async def test_short_work_is_done_at_once() -> None:
    def steps() -> Generator[None, None, str]:
        yield
        return "a"

    other = asyncio.create_task(asyncio.sleep(0))
    assert await in_turns(steps()) == "a"
    assert not other.done()


async def test_others_run_between_two_turns_of_long_work() -> None:
    done: list[str] = []
    working = asyncio.create_task(in_turns(work(40, done)))
    most = before = 0
    while not working.done():
        await asyncio.sleep(0)
        most, before = max(most, len(done) - before), len(done)
    assert await working == "a"
    assert len(done) == 40
    assert most <= 6


async def test_of_several_works_only_one_goes_on_at_a_time_and_each_has_its_turn() -> None:
    done: list[str] = []
    names = "abcdefgh"
    working = [asyncio.create_task(in_turns(work(12, done, name))) for name in names]
    await asyncio.sleep(0)  # each begins
    most, before = 0, len(done)
    while not all(each.done() for each in working):
        await asyncio.sleep(0)
        most, before = max(most, len(done) - before), len(done)
    assert most <= 6, "one turn in a round of the event loop"
    last = {name: max(at for at, each in enumerate(done) if each == name) for name in names}
    assert min(last.values()) > len(done) / 2, "none was served to its end before the others"


async def test_work_that_is_cancelled_while_it_waits_does_not_stop_the_others() -> None:
    done: list[str] = []
    working = [asyncio.create_task(in_turns(work(12, done, name))) for name in "abc"]
    await asyncio.sleep(0)
    working[1].cancel()
    assert [await each for each in (working[0], working[2])] == ["a", "c"]
    assert done.count("b") < 12


async def test_work_without_a_task_has_turns_too() -> None:
    done: list[str] = []
    ended = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        ended.set_result(await in_turns(work(12, done)))

    Run(serve()).start()
    assert not ended.done()
    assert await ended == "a"


def test_each_event_loop_has_its_own_line() -> None:
    for _ in range(2):
        done: list[str] = []
        assert asyncio.run(in_turns(work(12, done))) == "a"
