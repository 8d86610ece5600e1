"""The connection between gateways: messages in Redis streams, the leader's term in a key that expires."""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from concur_proxy.admission.changes import Change
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.coordination.group.term import Term
from concur_proxy.coordination.protocol.messages import (
    Batch,
    Message,
    decode_batch,
    decode_records,
    encode_batch,
    encode_record,
)
from concur_proxy.coordination.redis.client import Client
from concur_proxy.coordination.redis.scripts import BEAT, KEEP, KEPT, RESIGN

logger = logging.getLogger(__name__)

PROTOCOL = 4
"""Version of the messages and of what is saved in Redis. It is part of every key, so that gateways of two versions
never read each other's messages. Raise it with any change that an older gateway would misread.
"""
LEASE_S = 2.0
"""A leader that is silent for this long is not the leader any more."""
JUST_NOW_S = 1.0
"""A gateway whose last beat is not older than this, in seconds, is running."""
LIFE_S = 3.0
"""A replica that is silent for this long counts as gone, and its requests with it."""
STREAM_SPAN_MS = 10_000
"""How long a message stays in its stream. A gateway that falls behind for longer loses its lease."""
STREAM_LIFE_S = 60
MESSAGES_AT_ONCE = 500
BLOCK_MS = 500
"""How long a read waits for new messages: less than the timeout of a connection."""
RECORDS_AT_ONCE = 1_000
RESPONSE_LIFE_S = 24 * 3600
"""How long a stored response is found through every gateway, seconds. It takes about 300 bytes in Redis."""


@dataclass(slots=True)
class _Outbox:
    """Messages to be sent to one stream."""

    messages: deque[Message | Change] = field(default_factory=deque)
    sent: int = 0


class Gap(Exception):  # noqa: N818 - says what happened
    """Messages of this sender are missing."""

    def __init__(self, sender: str) -> None:
        super().__init__(sender)
        self.sender = sender


class RedisLink:
    """Sends and receives messages, and saves the state for the next leader, within one term at a time. Every method can
    raise redis-py's errors or `OSError`.
    """

    def __init__(self, client: Client, *, prefix: str, me: str) -> None:
        self.me = me
        self._client = cast("Redis", client)
        self._prefix = f"{{{prefix}}}:{PROTOCOL}:"
        self._term = ""
        self._outboxes: dict[str, _Outbox] = {}
        self._has_work = asyncio.Event()
        self._sent_ms = 0
        """When Redis last took a message, by Redis' clock."""
        self._has_sent_all = asyncio.Event()
        self._has_sent_all.set()
        self._read_to: dict[str, str] = {}
        self._heard: dict[str, int] = {}

    # -- terms

    @property
    def term(self) -> str:
        """The term whose messages are sent and received; empty without one."""
        return self._term

    async def beat(self, *, may_lead: bool) -> Term:
        """Report that this gateway is alive, and ask who leads."""
        answer = await self._run(
            BEAT,
            [self._key("term"), self._key("number"), self._key("replicas")],
            [
                *(self.me, int(LEASE_S * 1000), int(LIFE_S * 1000)),
                *(secrets.token_hex(4), int(may_lead), int(JUST_NOW_S * 1000)),
            ],
        )
        name, *groups = answer
        replicas, just_heard = (frozenset(map(_text, group)) for group in groups)
        return Term(_text(name), replicas, just_heard)

    async def resign(self, term: str, *, has_ended: bool) -> None:
        """End this gateway's term. `has_ended`: it has no open requests any more, and need not be waited for."""
        await self._run(RESIGN, [self._key("term"), self._key("replicas")], [self.me, term, int(has_ended)])

    def enter(self, term: str, *, leads: bool) -> None:
        """Send and receive the messages of this term only, and drop unsent messages of the last one."""
        self._term = term
        self._outboxes.clear()
        self._has_sent_all.set()
        self._heard.clear()
        own = [f"out:{term}:{self.me}"] + ([f"in:{term}"] if leads else [])
        self._read_to = {self._key(name): "0-0" for name in own} if term else {}

    # -- messages

    def send(self, message: Message | Change, to: str | None = None) -> None:
        """Put a message for the leader into the outbox, or a message from the leader for the replica `to`."""
        if self._term:
            stream = f"in:{self._term}" if to is None else f"out:{self._term}:{to}"
            self._outboxes.setdefault(stream, _Outbox()).messages.append(message)
            self._has_work.set()
            self._has_sent_all.clear()

    async def flush(self) -> None:
        """Wait until there are messages to send, and send them."""
        await self._has_work.wait()
        self._has_work.clear()
        pipeline = self._client.pipeline(transaction=False)
        for stream, outbox in self._outboxes.items():
            if not outbox.messages:
                continue
            while outbox.messages:
                some = [outbox.messages.popleft() for _ in range(min(MESSAGES_AT_ONCE, len(outbox.messages)))]
                batch = Batch(sender=self.me, number=outbox.sent, messages=cast("Any", tuple(some)))
                outbox.sent += 1
                try:
                    fields: Any = {"b": encode_batch(batch)}
                except (ValueError, OverflowError, TypeError):
                    # Its number is used up, so the receiver of the next batch notices the gap.
                    logger.exception("messages that cannot be encoded were dropped")
                    continue
                pipeline.xadd(self._key(stream), fields, minid=str(max(0, self._sent_ms - STREAM_SPAN_MS)))
            pipeline.expire(self._key(stream), STREAM_LIFE_S)
        answers = await pipeline.execute()
        if answers:
            self._sent_ms = int(_text(answers[0]).partition("-")[0])
        if not self._has_work.is_set():
            self._has_sent_all.set()

    async def sent_all(self) -> None:
        """Wait until `flush` has sent everything."""
        await self._has_sent_all.wait()

    async def hear(self) -> list[Batch]:
        """Return the next batches of this term, or an empty list if none come within `BLOCK_MS`."""
        if not self._read_to:
            await asyncio.sleep(BLOCK_MS / 1000 / 10)
            return []
        term, streams = self._term, dict(self._read_to)
        answer: Any = await self._client.xread(cast("Any", streams), count=MESSAGES_AT_ONCE, block=BLOCK_MS)
        if term != self._term:
            return []  # a new term has begun meanwhile
        batches = []
        for name, entries in answer or ():
            for entry, fields in entries:
                self._read_to[_text(name)] = _text(entry)
                try:
                    batches.append(decode_batch(fields[b"b"]))
                except msgspec.DecodeError as error:  # the missing batch is noticed as a gap
                    logger.warning("messages that cannot be decoded were skipped: %s", error)
        return batches

    def check(self, batch: Batch) -> None:
        """Check the batch's number. Raises `Gap` if batches before it are missing."""
        expected = self._heard.get(batch.sender, 0)
        self._heard[batch.sender] = batch.number + 1
        if batch.number != expected:
            raise Gap(batch.sender)

    # -- saved state

    async def keep(self, term: str, standing: bytes, records: Mapping[str, SessionRecord | None]) -> bool:
        """Save some sessions for the next leader, at most a thousand. Returns False if this term is over."""
        keys = [self._key("term"), self._key("sessions"), self._key("standing")]
        arguments: list[Any] = [term, standing]
        for key, record in records.items():
            arguments += [key, b"" if record is None else encode_record(record)]
        return bool(await self._run(KEEP, keys, arguments))

    async def kept(self) -> tuple[bytes | None, list[SessionRecord]]:
        """Read what the last leader saved."""
        standing = await self._client.get(self._key("standing"))
        records: list[SessionRecord] = []
        cursor: Any = 0
        while cursor != b"0":
            cursor, number, page = await self._run(KEPT, [self._key("sessions")], [cursor, RECORDS_AT_ONCE])
            records += decode_records(number, page)
        return cast("bytes | None", standing), records

    # -- stored responses

    async def save_responses(self, responses: Mapping[str, bytes]) -> None:
        """Save what is known about stored responses, by their ids, for `RESPONSE_LIFE_S`."""
        pipeline = self._client.pipeline(transaction=False)
        for response_id, value in responses.items():
            pipeline.set(self._key(f"response:{response_id}"), value, ex=RESPONSE_LIFE_S)
        await pipeline.execute()

    async def response(self, response_id: str) -> bytes | None:
        """Read what is known about a stored response; None if nothing is known."""
        return cast("bytes | None", await self._client.get(self._key(f"response:{response_id}")))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:  # noqa: ANN401 - Redis'
        return await cast("Any", self._client.eval(script, len(keys), *keys, *arguments))

    def _key(self, name: str) -> str:
        return self._prefix + name


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
