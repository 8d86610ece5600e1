"""Coroutines without a task: when they run, what they may await, and how they are cancelled, under both loops."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest
import uvloop

from concur_proxy.eager import Run, Signal

NAME: ContextVar[str] = ContextVar("name", default="nobody")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def within(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a coroutine in each of the loops."""

    def run(test: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(test, 10))

    return run


Within = Callable[[Coroutine[Any, Any, None]], None]


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def test_it_begins_goes_on_and_ends_in_the_calls_that_cause_it(within: Within) -> None:
    async def test() -> None:
        signal, seen = Signal(), list[str]()

        async def work() -> None:
            seen.append("began")
            await signal
            seen.append("went on")

        run = Run(work(), lambda run: seen.append(f"ended {run.has_ended}"))
        run.start()
        assert seen == ["began"]
        assert not run.has_ended
        signal.fire()
        assert seen == ["began", "went on", "ended True"]
        signal.fire()
        assert Run.current is None

    within(test())


def test_it_may_await_futures_tasks_and_the_next_turn(within: Within) -> None:
    async def test() -> None:
        seen, done = list[object](), asyncio.Event()
        future = asyncio.get_running_loop().create_future()

        async def later() -> str:
            await asyncio.sleep(0.001)
            return "a task"

        async def fail() -> None:
            raise ValueError("of a task")

        async def work() -> None:
            await asyncio.sleep(0)
            seen.append(await future)
            seen.append(await asyncio.ensure_future(later()))
            with pytest.raises(ValueError, match="of a task"):
                await asyncio.ensure_future(fail())

        Run(work(), lambda _: done.set()).start()
        await turns()
        future.set_result("a future")
        await done.wait()
        assert seen == ["a future", "a task"]

    within(test())


def test_an_ordinary_task_may_await_a_signal_too(within: Within) -> None:
    async def test() -> None:
        signal = Signal()

        async def wait() -> str:
            await signal
            return "woken"

        task = asyncio.create_task(wait())
        await turns()
        signal.fire()
        signal.fire()
        assert await task == "woken"
        cancelled = asyncio.create_task(wait())
        await turns()
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert signal.wake is None

    within(test())


async def signalled() -> None:
    await Signal()


async def turning() -> None:
    while True:
        await asyncio.sleep(0)


async def awaiting_a_future() -> None:
    await asyncio.get_running_loop().create_future()


async def awaiting_a_task() -> None:
    await asyncio.ensure_future(asyncio.sleep(60))


async def awaiting_a_task_that_ends_all_the_same() -> None:
    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    await asyncio.ensure_future(stubborn())
    await Signal()


@pytest.mark.parametrize(
    "waits", [signalled, turning, awaiting_a_future, awaiting_a_task, awaiting_a_task_that_ends_all_the_same]
)
def test_it_is_cancelled_wherever_it_waits(within: Within, waits: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def test() -> None:
        seen = list[str]()

        async def work() -> None:
            try:
                await waits()
            except asyncio.CancelledError:
                seen.append("cancelled")
                await asyncio.sleep(0)
                seen.append("cleaned up")

        run = Run(work(), lambda _: seen.append("ended"))
        run.start()
        await turns()
        assert run.cancel()
        run.cancel()
        await turns(20)
        assert seen == ["cancelled", "cleaned up", "ended"]
        assert not run.cancel()

    within(test())


def test_one_that_is_cancelled_before_it_waits_gets_it_when_it_waits(within: Within) -> None:
    async def test() -> None:
        seen = list[str]()

        async def work() -> None:
            run = Run.current
            assert run is not None
            run.cancel()
            seen.append("goes on")
            await Signal()

        Run(work(), lambda _: seen.append("ended")).start()
        await turns()
        assert seen == ["goes on", "ended"]

    within(test())


def test_each_has_context_variables_of_its_own(within: Within) -> None:
    async def test() -> None:
        seen, signals = list[str](), [Signal(), Signal()]

        async def work(name: str, signal: Signal) -> None:
            NAME.set(name)
            await signal
            seen.append(NAME.get())

        for name, signal in zip("ab", signals, strict=True):
            Run(work(name, signal)).start()
        assert NAME.get() == "nobody"
        for signal in signals:
            signal.fire()
        assert seen == ["a", "b"]

    within(test())


def test_one_may_wake_another(within: Within) -> None:
    async def test() -> None:
        signal, seen = Signal(), list[str]()

        async def wait() -> None:
            await signal
            seen.append("woken")

        async def wake() -> None:
            before = Run.current
            signal.fire()
            assert Run.current is before
            seen.append("goes on")

        Run(wait()).start()
        Run(wake()).start()
        assert seen == ["woken", "goes on"]

    within(test())


def test_an_error_is_reported_and_does_not_reach_what_woke_it(within: Within) -> None:
    async def test() -> None:
        reports, ends = list[object](), list[Run]()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context["exception"]))

        async def work() -> None:
            raise ValueError("a defect")

        Run(work(), ends.append).start()
        assert [str(report) for report in reports] == ["a defect"]
        assert len(ends) == 1

    within(test())
