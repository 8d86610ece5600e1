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


async def test_everything_is_searched_only_while_nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "ALL_EVERY_S", 0.02)
    monkeypatch.setattr(garbage, "IDLE_LOOK_S", 0.01)
    garbage.collect_rarely()
    cycle = Cycle()
    gone, served = weakref.ref(cycle), {1}
    gc.freeze()
    del cycle
    task = asyncio.create_task(garbage.collect_when_idle(served))
    await asyncio.sleep(0.1)
    assert gone() is not None
    served.clear()
    while gone() is not None:
        await asyncio.sleep(0.01)
    task.cancel()
