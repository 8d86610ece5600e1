import asyncio
import logging

import pytest

from concur_proxy.monitoring.loop import JITTER, Loop, LoopGuard
from tests.coordination.virtual_time import in_virtual_time


class Step:
    """Raises the error that it was given."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
        self.runs = 0

    async def __call__(self) -> None:
        self.runs += 1
        if self.error is not None:
            raise self.error


async def test_a_round_without_an_error_returns_nothing_and_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    step = Step(None)
    assert await LoopGuard("work").attempt(step) is None
    assert step.runs == 1
    assert not caplog.records


async def test_an_error_is_returned_and_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    error = RuntimeError("slip")
    assert await LoopGuard("reading x").attempt(Step(error)) is error
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("reading x: unexpected error")
    assert record.exc_text is not None
    assert "RuntimeError: slip" in record.exc_text


async def test_the_same_error_is_logged_once_until_a_round_succeeds_or_another_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guard = LoopGuard("work")
    for step in (Step(RuntimeError("a")), Step(RuntimeError("a")), Step(RuntimeError("b")), Step(RuntimeError("b"))):
        await guard.attempt(step)
    assert len(caplog.records) == 2
    await guard.attempt(Step(None))
    await guard.attempt(Step(RuntimeError("b")))
    assert len(caplog.records) == 3


async def test_a_cancellation_is_no_error_and_passes() -> None:
    with pytest.raises(asyncio.CancelledError):
        await LoopGuard("work").attempt(Step(asyncio.CancelledError()))


async def test_a_loop_goes_on_after_an_error_and_reports_it() -> None:
    errors: list[Exception] = []
    step = Step(RuntimeError("slip"))
    running = asyncio.create_task(Loop("work", step, interval_s=0.001, on_error=errors.append).run())
    async with asyncio.timeout(10):
        while step.runs < 3:
            await asyncio.sleep(0.001)
    running.cancel()
    assert len(errors) >= 2
    assert set(map(str, errors)) == {"slip"}


@in_virtual_time
async def test_hurry_begins_the_next_round_at_once() -> None:
    times: list[float] = []
    clock = asyncio.get_running_loop().time

    async def step() -> None:
        times.append(clock())

    loop = Loop("work", step, interval_s=100.0, clock=clock)
    running = asyncio.create_task(loop.run())
    await asyncio.sleep(1.0)
    loop.hurry()
    await asyncio.sleep(115.0)
    running.cancel()
    first, second = times[1] - times[0], times[2] - times[1]
    assert first == pytest.approx(1.0)
    assert second == pytest.approx(100.0, rel=JITTER)
