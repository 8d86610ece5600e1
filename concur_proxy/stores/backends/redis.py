"""Sessions shared by several gateways through Redis: one of them leads, see `concur_proxy.replication`.

What was weighed: the gate in Lua would be a second gate, beside the one that the simulator and the property tests run.
A share of the window for each replica leaves places empty on one that others wait for, and a session's requests come by
any replica. So one process decides for all, as it would alone, and costs a request two hops through Redis.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

import msgspec
from redis.exceptions import RedisError

from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.room import EngineLoad
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.replication.leader import Leader, Post
from concur_proxy.replication.messages import (
    Batch,
    End,
    EngineStanding,
    Overload,
    Reach,
    Rejoin,
    Standing,
    ToLeader,
    ToReplica,
)
from concur_proxy.replication.replica import Replica
from concur_proxy.stores.redis.client import connect
from concur_proxy.stores.redis.link import LEASE_S, Gap, RedisLink, Term
from concur_proxy.stores.role import Role
from concur_proxy.stores.store import OnDecided, OnRole, StoreParts

logger = logging.getLogger(__name__)

BEAT_S = 0.4
KEEP_S = 0.25
"""Time between two writings of what the next leader must know."""
ALONE_AFTER_S = 1.5
"""Silence of Redis after which a replica goes on alone: less than a leader's lease."""
GRACE_S = 1.0
"""How long a new leader waits for the claims of all that live."""
LATE_S = 2.0
"""A hold that ended so long ago without a word from the leader is ended here."""
RANKS_PER_TERM = 1 << 32
FAILURES = (RedisError, OSError, asyncio.TimeoutError)

encode_standing = msgspec.msgpack.Encoder().encode
decode_standing = msgspec.msgpack.Decoder(Standing).decode


class RedisStore:
    """One replica: puts its requests to whoever decides, which may be itself."""

    def __init__(self, parts: StoreParts, link: RedisLink) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._link = link
        self._replica = Replica()
        self._tell: OnDecided = lambda _: None
        self._on_role: OnRole = lambda *_: None
        self._on_overload: Callable[[str], None] = lambda _: None
        self._standing: Standing | None = None
        self._term = Term("", frozenset())
        self._changes: set[str] = set()
        self._heard_at = time.monotonic()
        """When Redis last answered a beat."""
        self._tasks: list[asyncio.Task[None]] = []
        self._is_draining = False
        self._is_stopped = False
        self.role = Role.ALONE
        self._leader = Leader(self._new_fleet())
        self._receive(self._leader.receive(link.me, self._replica.join(now=self._clock()), now=self._clock()))

    # -- the store's life

    async def start(self) -> None:
        """Find out who leads, as far as Redis can be reached, and keep at it."""
        await self._beat()
        if self.role is Role.ALONE:
            logger.warning("Redis cannot be reached: going on alone, and trying again")
            self._on_role(self.leads, {})
        for work in (self._keep_beating, self._keep_hearing, self._keep_sending, self._keep_keeping):
            self._tasks.append(asyncio.create_task(work()))

    async def stop(self) -> None:
        """Hand everything over: somebody else may lead at once."""
        self._is_stopped = True  # redis-py swallows a cancellation now and then
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(*FAILURES):
            if self.role is Role.LEADING:
                await self._keep()
            await self._link.resign(self._term.name)
        with suppress(*FAILURES):
            await self._link.close()

    def on_decided(self, callback: OnDecided) -> None:
        """Tell `callback` of every decision from now on."""
        self._tell = callback

    def on_role(self, callback: OnRole) -> None:
        """Tell `callback` when this process begins to lead, or ceases to."""
        self._on_role = callback

    def on_overload(self, callback: Callable[[str], None]) -> None:
        """Tell `callback` of engines that refused a request of any replica, while this one leads."""
        self._on_overload = callback

    # -- requests

    async def arrive(
        self,
        key: str | None,
        *,
        deadline: float,
        body_bytes: int,
        model: str | None = None,
        avoid: str | None = None,
    ) -> Ticket:
        """A request has come; whoever decides is asked."""
        now = self._clock()
        ticket, message = self._replica.arrive(
            key, now=now, deadline=deadline, body_bytes=body_bytes, model=model, avoid=avoid
        )
        if self._is_draining:
            self._refuse(ticket, Outcome.DRAINING)
        else:
            self._say(message)
        return ticket

    def finish(
        self,
        ticket: Ticket,
        *,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        cached_tokens: int | None = None,
        client_gone: bool,
    ) -> None:
        """A released request is over."""
        message = self._replica.finish(
            ticket,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cached_tokens=cached_tokens,
            client_gone=client_gone,
        )
        if message is not None:
            self._say(message)

    def abandon(self, ticket: Ticket) -> None:
        """The client of a held request has gone."""
        message = self._replica.refuse(ticket, Outcome.CLIENT_GONE, now=self._clock())
        if message is not None:
            self._say(message)

    def end(self, key: str) -> bool:
        """The session is over."""
        is_known = self._replica.knows(key) or self._leader.fleet.knows(key)
        self._replica.forget(key)
        self._say(End(key=key))
        return is_known

    def expected_wait(self, ticket: Ticket) -> tuple[int, float]:
        """A ticket's place in the line and its seconds, as last heard."""
        return self._replica.expected_wait(ticket)

    # -- engines

    @property
    def gates(self) -> Mapping[str, SessionGate]:
        """The gates by engine: all sessions' where this process leads, its own where it is alone, else empty ones."""
        return self._leader.fleet.gates

    @property
    def down(self) -> frozenset[str]:
        """Engines that could not be reached."""
        return self._leader.fleet.down

    @property
    def leads(self) -> bool:
        """Whether this process reads the engines and moves their windows: as the leader, or where it is alone and never
        heard of any windows.
        """
        return self.role is Role.LEADING or (self.role is Role.ALONE and self._standing is None)

    def resize(self, engine: str, window: float, budget: Budget | None = None) -> None:
        """Set the windows of an engine, as the leader."""
        if self.leads:
            self._apply(self._leader.fleet.resize(engine, window, budget=budget, now=self._clock()))

    def observe(self, engine: str, load: EngineLoad | None) -> None:
        """An engine's newest reading, as the leader."""
        if self.leads:
            self._apply(self._leader.fleet.observe(engine, load, now=self._clock()))

    def mark_down(self, engine: str) -> None:
        """The engine cannot be reached from here."""
        self._leader.fleet.mark_down(engine)
        self._say(Reach(engine=engine, is_up=False))

    def mark_up(self, engine: str) -> None:
        """The engine answers again."""
        self._leader.fleet.mark_up(engine)
        self._say(Reach(engine=engine, is_up=True))

    def overloaded(self, engine: str) -> None:
        """The engine refused a request for want of room."""
        if self.role is Role.FOLLOWING:
            self._say(Overload(engine=engine))
        else:
            self._on_overload(engine)

    def serve(self, engine: str, models: Collection[str] | None) -> None:
        """The engine serves these models."""
        self._leader.fleet.serve(engine, models)

    def lose_cache(self, engine: str) -> None:
        """The engine has started anew."""
        self._leader.fleet.lose_cache(engine)

    def add_engine(self, engine: str) -> None:
        """There is one more engine; each replica must be told."""
        self._leader.fleet.add_engine(engine)
        self._apply([])

    def retire_engine(self, engine: str) -> None:
        """Give an engine up; each replica must be told."""
        self._apply(self._leader.fleet.retire_engine(engine, now=self._clock()))

    def candidates(self, model: str | None) -> Sequence[str]:
        """The engines to which a request outside of any session may go."""
        return self._leader.fleet.candidates(model)

    # -- time

    def next_deadline(self) -> float | None:
        """When `expire` has something to do, or None."""
        if self.role is Role.FOLLOWING:
            deadline = self._replica.next_deadline()
            return None if deadline is None else deadline + LATE_S
        return self._leader.next_deadline()

    def expire(self) -> None:
        """Apply what the passing of time has decided."""
        now = self._clock()
        if self.role is not Role.FOLLOWING:
            self._receive(self._leader.open(now=now))
            self._apply(self._leader.fleet.expire(now=now))
            return
        for ticket in self._replica.overdue(now=now - LATE_S):
            self._refuse(ticket, Outcome.HOLD_TIMEOUT)

    def drain(self) -> None:
        """Refuse what is held here and what comes; another replica may lead from now on."""
        self._is_draining = True
        for ticket in self._replica.held:
            self._refuse(ticket, Outcome.DRAINING)

    # -- who decides

    def _say(self, message: ToLeader) -> None:
        if self.role is Role.FOLLOWING:
            self._link.send(message)
        else:
            self._receive(self._leader.receive(self._link.me, message, now=self._clock()))

    def _apply(self, decided: list[Ticket]) -> None:
        self._receive(self._leader.post(decided, now=self._clock()))

    def _receive(self, post: Post) -> None:
        """Hand on what has been decided here."""
        own: list[ToReplica] = []
        for replica, message in post:
            if replica == self._link.me:
                own.append(message)
            elif self.leads:
                self._link.send(message, replica)
        self._hear(own)

    def _hear(self, messages: Sequence[ToReplica]) -> None:
        decided = self._replica.receive(messages, now=self._clock())
        for message in messages:
            if isinstance(message, Standing):
                self._learn(message)
        if any(isinstance(message, Rejoin) for message in messages):
            self._say(self._replica.join(now=self._clock()))
        self._tell(decided)

    def _refuse(self, ticket: Ticket, outcome: Outcome) -> None:
        message = self._replica.refuse(ticket, outcome, now=self._clock())
        if message is not None:
            self._say(message)
            self._tell([ticket])

    def _learn(self, standing: Standing) -> None:
        self._standing = standing
        if self.role is not Role.FOLLOWING:
            return
        fleet = self._leader.fleet
        for engine, known in standing.engines.items():
            if engine in fleet.gates:
                fleet.serve(engine, known.models)
                (fleet.mark_up if known.is_up else fleet.mark_down)(engine)

    # -- changes of role

    async def _beat(self) -> None:
        asked_at = time.monotonic()
        try:
            term = await self._link.beat(may_lead=not self._is_draining)
        except FAILURES as error:
            if self.role is not Role.ALONE and time.monotonic() - self._heard_at > ALONE_AFTER_S:
                logger.warning("Redis cannot be reached, going on alone: %s", str(error) or type(error).__name__)
                self._go_alone()
            return
        self._heard_at = asked_at
        if self._is_draining and term.leader == self._link.me:
            await self._hand_over()
            return
        before, self._term = self._term, term
        if term.leader == self._link.me:
            if self.role is not Role.LEADING or before.name != term.name:
                await self._lead(term)
            for replica in self._leader.replicas - term.replicas - {self._link.me}:
                logger.warning("replica %s is gone", replica)
                self._receive(self._leader.lose(replica, now=self._clock()))
            self._receive(self._leader.open(now=self._clock()))
        elif self.role is not Role.FOLLOWING or before.name != term.name:
            self._follow(term)

    async def _lead(self, term: Term) -> None:
        try:
            kept, records = await self._link.kept()
        except FAILURES:
            return  # the next beat tries again
        logger.info("leading in term %s, with %d sessions", term.name, len(records))
        now = self._clock()
        fleet = self._new_fleet(after=term.number * RANKS_PER_TERM)
        for record in sorted(records, key=lambda record: -record.idle_s):
            fleet.restore(record, now=now)
        fleet.note_changes(self._changes)
        self._standing = decode_standing(kept) if kept is not None else self._standing
        self._leader = Leader(fleet, expected=term.replicas, open_at=now + GRACE_S)
        self._link.enter(term.name, leads=True)
        self._change_role(Role.LEADING)
        self._say(self._replica.join(now=now))

    async def _hand_over(self) -> None:
        """Lead no more: somebody else may at once, with all that is known here."""
        with suppress(*FAILURES):
            await self._keep()
            await self._link.resign(self._term.name)
        self._follow(Term("", self._term.replicas))

    def _follow(self, term: Term) -> None:
        logger.info("following %s", term.leader or "nobody yet")
        self._leader = Leader(self._new_fleet())
        self._link.enter(term.name, leads=False)
        self._change_role(Role.FOLLOWING)
        if self._standing is not None:
            self._learn(self._standing)
        self._say(self._replica.join(now=self._clock()))

    def _go_alone(self) -> None:
        self._link.enter("", leads=False)
        self._leader = Leader(self._new_fleet())
        self._change_role(Role.ALONE)
        self._say(self._replica.join(now=self._clock()))

    def _change_role(self, role: Role) -> None:
        self.role = role
        if role is not Role.FOLLOWING:
            self._take_windows(1.0 if role is Role.LEADING else 1.0 / self._count_replicas())
        self._on_role(self.leads, {} if self._standing is None else self._standing.laws)

    def _count_replicas(self) -> int:
        return 1 if self._standing is None else max(1, self._standing.replicas)

    def _take_windows(self, share: float) -> None:
        """Begin with the windows that were last known, or with this part of them."""
        fleet, now = self._leader.fleet, self._clock()
        for engine, known in {} if self._standing is None else self._standing.engines.items():
            if engine not in fleet.gates:
                continue
            window = float("inf") if known.window is None else max(1.0, known.window * share)
            budget = known.budget
            if budget is not None:
                budget = Budget(tokens=budget.tokens * share, reserve_turns=budget.reserve_turns)
            fleet.resize(engine, window, budget=budget, now=now)

    def _new_fleet(self, *, after: int = 0) -> Fleet:
        self._changes = set()
        return self._parts.make_fleet(after)

    # -- work in the background

    async def _keep_beating(self) -> None:
        while not self._is_stopped:
            await asyncio.sleep(BEAT_S)
            await self._beat()
            if self.role is Role.LEADING and time.monotonic() - self._heard_at > LEASE_S:
                self._go_alone()

    async def _keep_sending(self) -> None:
        while not self._is_stopped:
            try:
                await self._link.flush()
            except FAILURES:
                await asyncio.sleep(BEAT_S)  # the beat will tell; what was lost shows as a gap

    async def _keep_hearing(self) -> None:
        while not self._is_stopped:
            try:
                batches = await self._link.hear()
            except FAILURES:
                await asyncio.sleep(BEAT_S)
                continue
            for batch in batches:
                self._take(batch)

    def _take(self, batch: Batch) -> None:
        try:
            self._link.check(batch)
        except Gap as gap:
            logger.warning("messages of %s are missing", gap.sender)
            if self.leads:
                self._link.send(Rejoin(), gap.sender)
            else:
                self._say(self._replica.join(now=self._clock()))
        if not self.leads:
            self._hear([message for message in batch.messages if isinstance(message, ToReplica)])
            return
        for message in batch.messages:
            if isinstance(message, Overload):
                self._on_overload(message.engine)
            elif isinstance(message, ToLeader):
                self._receive(self._leader.receive(batch.sender, message, now=self._clock()))

    async def _keep_keeping(self) -> None:
        while not self._is_stopped:
            await asyncio.sleep(KEEP_S)
            if self.role is Role.LEADING:
                with suppress(*FAILURES):
                    await self._keep()

    async def _keep(self) -> None:
        """Write down what the next leader must know, and tell the others how the fleet stands."""
        now, fleet = self._clock(), self._leader.fleet
        changed = list(self._changes)
        self._changes.clear()
        self._standing = standing = self._stand()
        for replica in self._leader.replicas - {self._link.me}:
            self._link.send(standing, replica)
        records = {key: fleet.record(key, now=now) for key in changed if not key.startswith("\0")}
        try:
            await self._link.keep(self._term.name, encode_standing(standing), records)
        except FAILURES:
            self._changes.update(changed)
            raise

    def _stand(self) -> Standing:
        fleet = self._leader.fleet
        engines = {}
        for engine, gate in fleet.gates.items():
            snapshot, models = gate.snapshot(), fleet.models_of(engine)
            engines[engine] = EngineStanding(
                window=None if snapshot.window == float("inf") else snapshot.window,
                budget=gate.budget,
                is_up=engine not in fleet.down,
                models=None if models is None else tuple(sorted(models)),
            )
        replicas = max(1, len(self._leader.replicas))
        return Standing(engines=engines, replicas=replicas, laws=self._parts.law_states())


def build(parts: StoreParts) -> RedisStore:
    """The store at `parts.url`."""
    return RedisStore(parts, RedisLink(connect(parts.url), prefix=parts.prefix, me=parts.replica))
