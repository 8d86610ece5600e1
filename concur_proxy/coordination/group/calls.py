"""Calls of the admin API that arrive at a follower: the leader answers them within seconds, or they fail."""

import asyncio
from collections.abc import Callable

from concur_proxy.coordination.coordinator import LeaderSilent
from concur_proxy.coordination.protocol.messages import Ask, Call, Reply, Told

TOLD_S = 2.0
"""A leader answers in milliseconds. One that has not answered by then has lost its term."""
MOST_AT_ONCE = 64
MOST_BYTES = 4 << 20
"""Largest answer. The state of 200 sessions has a hundredth of that. A stream in Redis keeps messages for 10 s."""


class Calls:
    """The calls that this gateway has sent to the leader and whose answers it waits for."""

    def __init__(self, send: Callable[[Ask], None]) -> None:
        self._send = send
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._last = 0

    async def put(self, call: Call, leader: str) -> Reply:
        """Send the call to the leader and return its answer. Raises `LeaderSilent` if no answer comes in time."""
        if len(self._waiting) >= MOST_AT_ONCE:
            raise LeaderSilent(
                f"{MOST_AT_ONCE} calls wait for the gateway that leads, {leader}. Ask again in a moment."
            )
        self._last += 1
        number = self._last
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._send(Ask(number=number, call=call))
        try:
            async with asyncio.timeout(TOLD_S):
                return await answer
        except TimeoutError:
            raise LeaderSilent(
                f"The gateway that leads, {leader}, has not answered in {TOLD_S:g} s. If it is gone, another leads "
                f"within 3 s: ask again, and see whether a change was made."
            ) from None
        finally:
            del self._waiting[number]

    def told(self, message: Told) -> None:
        """The leader answered. An answer to a call that has failed meanwhile is ignored."""
        answer = self._waiting.get(message.number)
        if answer is not None and not answer.done():
            answer.set_result(message.reply)

    def give_up(self) -> None:
        """Fail every call that waits for an answer: the leader has changed, or cannot be reached."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(
                    LeaderSilent(
                        "The gateway that led is gone or out of reach. Ask again, and see whether a change was made."
                    )
                )


def fit(reply: Reply) -> Reply:
    """Replace an answer that is too large to be sent by an error."""
    if len(reply.body) <= MOST_BYTES:
        return reply
    body = (
        b'{"error":{"message":"The answer is too large to be passed on. Ask the gateway that leads itself.",'
        b'"type":"invalid_request_error","param":null,"code":"answer_too_large"}}'
    )
    return Reply(status=502, body=body)
