"""Requests begin a few at a time."""

import asyncio

from concur_proxy.server.turnstile import PER_ROUND, Turnstile


async def test_many_requests_begin_in_order_and_others_run_in_between() -> None:
    turnstile, began = Turnstile(), list[int]()

    async def request(number: int) -> None:
        await turnstile.enter()
        began.append(number)

    tasks = [asyncio.create_task(request(number)) for number in range(5 * PER_ROUND)]
    seen = []
    while len(began) < len(tasks):
        await asyncio.sleep(0)
        seen.append(len(began))
    assert began == sorted(began)
    steps = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert max(steps) <= PER_ROUND
    await asyncio.sleep(0)
    await asyncio.wait_for(request(-1), 1)


async def test_a_request_that_was_cancelled_while_it_waited_takes_no_turn() -> None:
    turnstile = Turnstile()
    tasks = [asyncio.create_task(turnstile.enter()) for _ in range(3 * PER_ROUND)]
    await asyncio.sleep(0)
    for task in tasks[PER_ROUND : 2 * PER_ROUND]:
        task.cancel()
    async with asyncio.timeout(1):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(task.cancelled() for task in tasks) == PER_ROUND
