"""Metrics of several worker processes as one page: the worker that is asked collects those of the others."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from concur_proxy.coordination.workers.door import Door

WORKER = "worker"
"""The label that tells the workers apart. Each keeps its own series, because a sum would fall when one is replaced, and
Prometheus would count everything that the others have counted so far once more.
"""
TIMEOUT_S = 1.0
"""A worker that does not answer in this time is left out: it is busy, or being replaced."""

_Exemplar = tuple[dict[str, str], float, float | None]
"""Labels, value and time."""
_Samples = list[tuple[str, dict[str, str], float, _Exemplar | None]]
_Family = tuple[str, str, str, str, _Samples]
"""Name, help, type, unit and samples."""

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(list[_Family]).decode


def own_metrics(registry: CollectorRegistry) -> Callable[[], Awaitable[Collector]]:
    """The metrics of a gateway with a single process, in the form of `WorkerMetrics.collect`."""

    async def collect() -> Collector:
        return registry

    return collect


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """The place of one worker among all. They are connected by pairs of sockets that the parent process makes before it
    forks, so that no one else can reach them. A worker that is replaced leaves its place to the new one.
    """

    number: int
    """The worker's own place, from 0."""
    pairs: Sequence[tuple[socket.socket, socket.socket]]
    """For each worker, the end that it reads from and the end that the others write to."""
    parent: socket.socket
    """Nothing is ever sent here. It ends when the parent process has ended, because only that has the other end."""
    door: Door
    """Where the workers agree who leads, if they share their sessions without Redis."""


def connect(count: int) -> tuple[list[Mailbox], socket.socket]:
    """Make one mailbox for each worker. The socket is the parent's own: each worker closes it."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(count)]
    for pair in pairs:
        for end in pair:
            end.settimeout(0)
    workers_end, parents_end = socket.socketpair()
    door = Door()
    return [Mailbox(number=number, pairs=pairs, parent=workers_end, door=door) for number in range(count)], parents_end


class Families(Collector):
    """Metrics that have been collected already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self._families


class WorkerMetrics:
    """The metrics of this worker, for the others, and of all workers, for Prometheus."""

    def __init__(self, mailbox: Mailbox, registry: CollectorRegistry) -> None:
        self._mailbox = mailbox
        self._registry = registry
        self._inbox = mailbox.pairs[mailbox.number][0]
        self._answers: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Answer the other workers until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._inbox, self._on_mail)
        try:
            await loop.create_future()
        finally:
            loop.remove_reader(self._inbox)

    async def collect(self) -> Families:
        """The metrics of all workers. One that does not answer is left out."""
        own, others = self._mailbox.number, range(len(self._mailbox.pairs))
        asked = [number for number in others if number != own]
        answers = await asyncio.gather(*map(self._ask, asked))
        pages = {own: _families(self._registry), **dict(zip(asked, answers, strict=True))}
        return Families(list(_merged(pages)))

    def _on_mail(self) -> None:
        """Another worker has sent a socket: write the metrics to it."""
        try:
            _, descriptors, _, _ = socket.recv_fds(self._inbox, 1, 1)
        except BlockingIOError:
            return
        for descriptor in descriptors:
            task = asyncio.get_running_loop().create_task(self._answer(socket.socket(fileno=descriptor)))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def _answer(self, asker: socket.socket) -> None:
        with asker:
            asker.settimeout(0)
            with suppress(OSError):  # the worker that asked has gone, or waits no longer
                await asyncio.get_running_loop().sock_sendall(asker, _encode(_families(self._registry)))

    async def _ask(self, number: int) -> list[_Family]:
        ours, theirs = socket.socketpair()
        with ours:
            ours.settimeout(0)
            try:
                with theirs:
                    socket.send_fds(self._mailbox.pairs[number][1], [b"?"], [theirs.fileno()])
                async with asyncio.timeout(TIMEOUT_S):
                    return _decode(await _read(ours))
            except (OSError, msgspec.DecodeError):  # nobody has read the mailbox for long, or the worker has ended
                return []


async def _read(source: socket.socket) -> bytes:
    """Everything until the other end is closed."""
    loop, parts = asyncio.get_running_loop(), bytearray()
    while part := await loop.sock_recv(source, 1 << 16):
        parts += part
    return bytes(parts)


def _families(registry: CollectorRegistry) -> list[_Family]:
    return [
        (
            family.name,
            family.documentation,
            family.type,
            family.unit,
            [(each.name, each.labels, each.value, _kept(each.exemplar)) for each in family.samples],
        )
        for family in registry.collect()
    ]


def _kept(exemplar: Exemplar | None) -> _Exemplar | None:
    if exemplar is None:
        return None
    time = exemplar.timestamp
    return dict(exemplar.labels), exemplar.value, None if time is None else float(time)


def _merged(pages: dict[int, list[_Family]]) -> Iterator[Metric]:
    """Each family once, with the samples of all workers in the order of their numbers."""
    merged: dict[str, Metric] = {}
    for number, page in sorted(pages.items()):
        for name, text, kind, unit, samples in page:
            family = merged.setdefault(name, Metric(name, text, kind, unit))
            for sample, labels, value, kept in samples:
                exemplar = None if kept is None else Exemplar(*kept)
                family.add_sample(sample, {**labels, WORKER: str(number)}, value, exemplar=exemplar)
    yield from merged.values()
