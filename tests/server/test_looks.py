"""One timer looks at all connections."""

import asyncio
from itertools import pairwise

from concur_proxy.server.looks import GRAIN_S, MOST, Looks


class Connection:
    """It notes when it was looked at."""

    def __init__(self, looks: Looks) -> None:
        self.looks = looks
        self.seen: list[float] = []
        self.again_s = 0.0

    def look(self) -> None:
        now = asyncio.get_running_loop().time()
        self.seen.append(now)
        if self.again_s:
            self.looks.add(self, now + self.again_s)
            self.again_s = 0.0


async def test_each_is_looked_at_in_time_and_once() -> None:
    loop, looks = asyncio.get_running_loop(), Looks()
    began = loop.time()
    delays = [0.15, 0.05, 0.1, 0.0]
    connections = [Connection(looks) for _ in delays]
    for each, delay in zip(connections, delays, strict=True):
        looks.add(each, began + delay)
    while len(looks):
        await asyncio.sleep(0.01)
    for each, delay in zip(connections, delays, strict=True):
        (at,) = each.seen
        assert at - began >= delay - 0.002
    order = sorted(connections, key=lambda each: each.seen[0])
    assert order == [connections[index] for index in (3, 1, 2, 0)]


async def test_who_is_removed_is_not_looked_at_nor_kept() -> None:
    loop, looks = asyncio.get_running_loop(), Looks()
    at = loop.time() + 2 * GRAIN_S
    first, second = Connection(looks), Connection(looks)
    looks.add(first, at)
    looks.add(second, at)
    looks.remove(first, at)
    assert len(looks) == 1
    while len(looks):
        await asyncio.sleep(0.01)
    assert (len(first.seen), len(second.seen)) == (0, 1)
    looks.remove(second, at)  # its look was made


async def test_a_look_may_ask_for_another_one() -> None:
    loop, looks = asyncio.get_running_loop(), Looks()
    connection = Connection(looks)
    connection.again_s = 0.03
    looks.add(connection, loop.time())
    while len(connection.seen) < 2:
        await asyncio.sleep(0.01)
    assert connection.seen[1] - connection.seen[0] >= 0.028
    assert not len(looks)


async def test_thousands_of_looks_at_once_let_others_run_in_between() -> None:
    loop, looks = asyncio.get_running_loop(), Looks()
    for _ in range(3 * MOST):
        looks.add(Connection(looks), loop.time())
    seen = [len(looks)]
    while len(looks):
        await asyncio.sleep(0)
        seen.append(len(looks))
    assert max(before - after for before, after in pairwise(seen)) <= MOST


async def test_a_look_that_fails_does_not_end_the_others() -> None:
    loop, looks = asyncio.get_running_loop(), Looks()
    errors: list[object] = []
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))

    class Failing(Connection):
        def look(self) -> None:
            raise ValueError

    other = Connection(looks)
    looks.add(Failing(looks), loop.time())
    looks.add(other, loop.time() + 2 * GRAIN_S)
    while len(looks):
        await asyncio.sleep(0.01)
    assert len(other.seen) == 1
    assert len(errors) == 1


async def test_a_look_may_end_the_watch_of_others_that_are_due() -> None:
    loop, looks = asyncio.get_running_loop(), Looks()
    at = loop.time()

    class Ending(Connection):
        def look(self) -> None:
            super().look()
            for each in both:
                looks.remove(each, at)

    both = [Ending(looks), Ending(looks)]
    later = Connection(looks)
    for each in both:
        looks.add(each, at)
    looks.add(later, at + 2 * GRAIN_S)
    while len(looks):
        await asyncio.sleep(0.01)
    assert [len(each.seen) for each in both].count(1) == 1
    assert len(later.seen) == 1


async def test_clients_that_have_left_leave_no_time_behind() -> None:
    loop, looks = asyncio.get_running_loop(), Looks()
    connections = {Connection(looks): loop.time() + 100 + number * GRAIN_S for number in range(200)}
    for each, at in connections.items():
        looks.add(each, at)
    for each, at in connections.items():
        looks.remove(each, at)
    assert not looks._due
    assert not looks._times
