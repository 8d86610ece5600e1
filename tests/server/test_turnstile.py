"""Requests begin a few at a time."""

import asyncio
from functools import partial
from itertools import pairwise

from concur_proxy.server.turnstile import PER_ROUND, Turnstile


async def test_many_requests_begin_in_order_and_others_run_in_between() -> None:
    turnstile, began = Turnstile(), list[int]()
    for number in range(5 * PER_ROUND):
        begin = partial(began.append, number)
        if turnstile.passes(begin):
            begin()
    seen = [len(began)]
    while len(began) < 5 * PER_ROUND:
        await asyncio.sleep(0)
        seen.append(len(began))
    assert began == sorted(began)
    assert seen[0] == PER_ROUND
    assert max(after - before for before, after in pairwise(seen)) <= PER_ROUND
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert turnstile.passes(lambda: None)
