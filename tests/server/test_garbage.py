"""What is old is not searched for garbage again, until nothing is served."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from concur_proxy.server import garbage


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks[:] = callbacks
    gc.unfreeze()


class Cycle:
    """It refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_what_is_left_of_two_searches_is_not_searched_again() -> None:
    garbage.collect_rarely()
    kept = Cycle()
    gone = weakref.ref(kept)
    gc.collect(0)
    gc.collect(1)
    frozen = gc.get_freeze_count()
    assert frozen > 0
    del kept
    gc.collect()
    assert gone() is not None
    garbage.collect_all()
    assert gone() is None


def test_what_is_new_is_searched_by_itself() -> None:
    garbage.collect_rarely()
    gone = [weakref.ref(Cycle()) for _ in range(3 * garbage.COLLECTIONS[0])]
    assert sum(each() is not None for each in gone) < len(gone) / 2


@pytest.mark.parametrize("is_busy", [False, True])
async def test_everything_is_searched_more_often_while_nobody_waits(
    monkeypatch: pytest.MonkeyPatch, *, is_busy: bool
) -> None:
    monkeypatch.setattr(garbage, "IDLE_EVERY_S", 3600.0 if is_busy else 0.02)
    monkeypatch.setattr(garbage, "BUSY_EVERY_S", 0.02 if is_busy else 3600.0)
    monkeypatch.setattr(garbage, "LOOK_S", 0.01)
    garbage.collect_rarely()
    cycle = Cycle()
    gone = weakref.ref(cycle)
    gc.freeze()
    del cycle
    task = asyncio.create_task(garbage.collect_all_at_times(lambda: is_busy))
    while gone() is not None:
        await asyncio.sleep(0.01)
    task.cancel()
