"""The background tasks of a gateway that shares a Redis: heartbeats, messages, and saving state for the next leader."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import msgspec
from redis.exceptions import RedisError

from concur_proxy.coordination.coordinator import Role
from concur_proxy.coordination.group.member import SAVED_AT_ONCE, Member
from concur_proxy.coordination.group.term import Term
from concur_proxy.coordination.protocol.messages import Batch, Standing
from concur_proxy.coordination.redis.link import LEASE_S, Gap, RedisLink
from concur_proxy.coordination.redis.responses import ResponsesInRedis
from concur_proxy.turns import TURN_S

logger = logging.getLogger(__name__)

BEAT_S = 0.4
KEEP_S = 0.25
"""Seconds between two times at which the state is saved for the next leader."""
ALONE_AFTER_S = 1.5
"""If Redis does not answer for this long, the gateway goes on alone. This is less than a leader's lease."""
FAREWELL_S = 1.0
"""How long a gateway that stops tries to send its last messages, seconds."""
FAILURES = (RedisError, OSError)
"""`OSError` includes timeouts."""

_encode_standing = msgspec.msgpack.Encoder().encode
_decode_standing = msgspec.msgpack.Decoder(Standing).decode
ALONE = "Redis cannot be reached, going on alone: %s"


class RedisUpkeep:
    """Keeps this gateway in contact with the others, and notices when Redis or a gateway does not answer."""

    def __init__(self, member: Member, link: RedisLink, responses: ResponsesInRedis) -> None:
        self.is_leaving = False
        """Whether this gateway must not lead, because it is stopping."""
        self._member = member
        self._link = link
        self._responses = responses
        self._term = Term("", frozenset())
        self._heard_at = time.monotonic()
        """When Redis last answered a beat, monotonic seconds."""
        self._is_due = asyncio.Event()
        """Set if the state must be saved at once."""
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopped = False

    async def start(self) -> None:
        """Find out who leads, if Redis can be reached, and start the tasks."""
        await self._beat()
        if self._member.role is Role.ALONE:
            self._member.go_alone(ALONE % "no answer yet")
        works = (
            self._keep_beating,
            self._keep_hearing,
            self._keep_sending,
            self._keep_keeping,
            self._keep_saving_responses,
        )
        for work in works:
            self._tasks.append(asyncio.create_task(self._keep_at(work)))

    async def stop(self) -> None:
        """Hand the sessions over to the other gateways, so that another one can lead at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._link.sent_all()  # other sessions wait for the places of the last answers
        await self.vanish()
        with suppress(*FAILURES):
            await self._responses.save()
        with suppress(*FAILURES):
            leads = self._member.role is Role.LEADING
            if leads:
                await self._keep()
            await self._link.resign(self._term.name if leads else "", has_ended=True)
        with suppress(*FAILURES):
            await self._link.close()

    async def vanish(self) -> None:
        """Stop without a message to the other gateways."""
        self._is_stopped = True  # redis-py sometimes swallows a cancellation
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_at(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run the task, and start it again after an unexpected error. Without it the gateway would look healthy and
        serve nobody.
        """
        while not self._is_stopped:
            try:
                await work()
            except Exception:
                logger.exception("unexpected error, a defect in concur-proxy; continuing")
                await asyncio.sleep(BEAT_S)

    # -- who leads

    async def _keep_beating(self) -> None:
        while not self._is_stopped:
            await asyncio.sleep(BEAT_S)
            await self._beat()

    async def _beat(self) -> None:
        member, asked_at = self._member, time.monotonic()
        if member.role is Role.LEADING and asked_at - self._heard_at > LEASE_S:
            # This process was suspended for a while.
            member.go_alone(ALONE % "the term ended while this process did not run")
        try:
            term = await self._link.beat(may_lead=not self.is_leaving)
        except FAILURES as error:
            if member.role is not Role.ALONE and time.monotonic() - self._heard_at > ALONE_AFTER_S:
                member.go_alone(ALONE % (str(error) or type(error).__name__))
            return
        self._heard_at = asked_at
        before, self._term = self._term, term
        if term.leader == self._link.me:
            await self._lead(term, before)
        elif member.role is not Role.FOLLOWING or before.name != term.name:
            member.follow(term)

    async def _lead(self, term: Term, before: Term) -> None:
        member = self._member
        if self.is_leaving:
            with suppress(*FAILURES):
                await self._keep()
                await self._link.resign(term.name, has_ended=False)
            member.follow(Term("", term.replicas))
            return
        if member.role is not Role.LEADING or before.name != term.name:
            try:
                standing, records = await self._link.kept()
                known = None if standing is None else _decode_standing(standing)
            except FAILURES:
                return  # the next beat tries again
            except msgspec.MsgspecError as error:
                logger.warning("the state that the last leader saved cannot be decoded: %s", error)
                known, records = None, []
            gone = "" if before.leader in term.just_heard else before.leader
            if not await self._take_over(term, member.leading(term, known, records, gone=gone)):
                return
        for replica in member.leader.replicas - term.replicas - {self._link.me}:
            member.lose(replica)
        member.hand_on(member.leader.open(now=member.now))

    async def _take_over(self, term: Term, steps: Iterable[None]) -> bool:
        """Take all steps, and keep the term meanwhile. Returns whether it is kept; if not, the next beat tells more."""
        began = time.perf_counter()
        for _ in steps:
            if time.perf_counter() - began > TURN_S:
                await asyncio.sleep(0)
                if time.monotonic() - self._heard_at > BEAT_S and not await self._has_kept(term):
                    return False
                began = time.perf_counter()
        return True

    async def _has_kept(self, term: Term) -> bool:
        asked_at = time.monotonic()
        try:
            present = await self._link.beat(may_lead=True)
        except FAILURES:
            return False
        self._heard_at = asked_at
        return present.name == term.name

    # -- messages

    async def _keep_sending(self) -> None:
        while not self._is_stopped:
            try:
                await self._link.flush()
            except FAILURES:
                # The next beat notices the failure, and the receiver notices lost messages as a gap at the next one.
                await asyncio.sleep(BEAT_S)
                self._member.report_again()  # there may be no next one if no request comes

    async def _keep_hearing(self) -> None:
        while not self._is_stopped:
            try:
                batches = await self._link.hear()
            except FAILURES:
                await asyncio.sleep(BEAT_S)
                continue
            term = self._link.term
            for batch in batches:
                if self._link.term == term:
                    self._take(batch)
                    await self._member.inbox.emptied()

    def _take(self, batch: Batch) -> None:
        try:
            self._link.check(batch)
        except Gap as gap:
            self._member.rejoin(gap.sender)
        self._member.inbox.put(batch.sender, batch.messages)

    async def _keep_saving_responses(self) -> None:
        while not self._is_stopped:
            try:
                await self._responses.flush()
            except FAILURES:
                await asyncio.sleep(BEAT_S)

    # -- state for the next leader

    def leave(self) -> None:
        """Do not lead any more: the next beat hands over."""
        self.is_leaving = True

    def hurry(self) -> None:
        """Save the state for the next leader at once."""
        self._is_due.set()

    async def _keep_keeping(self) -> None:
        while not self._is_stopped:
            with suppress(TimeoutError):
                async with asyncio.timeout(KEEP_S):
                    await self._is_due.wait()
            self._is_due.clear()
            if self._member.role is Role.LEADING:
                with suppress(*FAILURES):
                    await self._keep()

    async def _keep(self) -> None:
        member = self._member
        standing = _encode_standing(member.publish())
        for _ in range(max(1, math.ceil(len(member.changes) / SAVED_AT_ONCE))):
            records = member.take_changes()
            try:
                await self._link.keep(self._term.name, standing, records)
            except FAILURES:
                member.changes.update(records)
                raise
