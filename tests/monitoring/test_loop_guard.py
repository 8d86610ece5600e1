import asyncio
import logging

import pytest

from concur_proxy.monitoring.loop_guard import LoopGuard


class Step:
    """Raises what it is told to."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
        self.runs = 0

    async def __call__(self) -> None:
        """One round."""
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
