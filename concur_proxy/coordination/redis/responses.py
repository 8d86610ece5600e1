"""Stored responses that every gateway finds: one key in Redis for each, which expires."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable

import msgspec
from redis.exceptions import RedisError

from concur_proxy.coordination.redis.link import RedisLink
from concur_proxy.coordination.responses import MAX_RESPONSES, ResponsesInMemory, StoredResponse

FIND_S = 1.0
"""How long a request waits for Redis at most, if this gateway does not know the response that it names."""
LAG_S = 0.05
"""An id that Redis does not know is looked up again after this time: the client may be faster than the gateway that
saves the response.
"""

_USABLE_ID = re.compile(r"[A-Za-z0-9_-]{1,160}")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredResponse).decode


class ResponsesInRedis:
    """Remembers this gateway's responses in memory, saves them in Redis, and finds those of other gateways there."""

    def __init__(self, link: RedisLink, is_reachable: Callable[[], bool]) -> None:
        """`is_reachable` says whether Redis answers, so that no request waits for a Redis that is gone."""
        self._link = link
        self._is_reachable = is_reachable
        self._own = ResponsesInMemory()
        self._unsaved: OrderedDict[str, StoredResponse] = OrderedDict()
        self._has_work = asyncio.Event()

    def learn(self, response_id: str, stored: StoredResponse) -> None:
        """Remember the response, and save it soon. While Redis is gone, the last `MAX_RESPONSES` wait for it."""
        if self._own.recall(response_id) == stored:
            return
        self._own.learn(response_id, stored)
        self._unsaved[response_id] = stored
        if len(self._unsaved) > MAX_RESPONSES:
            self._unsaved.popitem(last=False)
        self._has_work.set()

    async def find(self, response_id: str) -> StoredResponse | None:
        """Return what this gateway or Redis knows about the response."""
        known = self._own.recall(response_id)
        if known is not None or not self._is_reachable() or not _USABLE_ID.fullmatch(response_id):
            return known
        try:
            # a task of its own, because the caller may be an `eager.Run`
            found = await asyncio.ensure_future(self._look_up(response_id))
        except (RedisError, OSError):  # `OSError` includes timeouts
            return None
        try:
            stored = None if found is None else _decode(found)
        except msgspec.MsgspecError:
            return None
        if stored is not None:
            self._own.learn(response_id, stored)
        return stored

    async def _look_up(self, response_id: str) -> bytes | None:
        async with asyncio.timeout(FIND_S):
            found = await self._link.response(response_id)
            if found is None:
                await asyncio.sleep(LAG_S)
                found = await self._link.response(response_id)
            return found

    async def flush(self) -> None:
        """Wait until there are responses to save, and save them. Raises redis-py's errors or `OSError`; the responses
        are then saved by the next call.
        """
        await self._has_work.wait()
        await self.save()

    async def save(self) -> None:
        """Save the responses that are not saved yet. Raises as `flush` does."""
        some = dict(self._unsaved)
        if some:
            await self._link.save_responses({name: _encode(stored) for name, stored in some.items()})
        for name, stored in some.items():
            if self._unsaved.get(name) is stored:
                del self._unsaved[name]
        if not self._unsaved:
            self._has_work.clear()
