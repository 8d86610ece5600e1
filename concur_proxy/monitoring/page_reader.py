"""Reads one page of metrics and recognises the kind of the engine."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import httpx

from concur_proxy.engines.exposition import Exposition, exposition_in_steps
from concur_proxy.engines.kind import EngineKind, KnownKinds
from concur_proxy.engines.pages import MetricsPage, Role
from concur_proxy.monitoring.probe import describe, fetch
from concur_proxy.turns import in_turns
from concur_proxy.upstream.exhaustion import is_own_exhaustion

MAX_BODY_BYTES = 1024 * 1024
"""Real expositions have 0.1 MB. A larger answer is not an exposition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What was read."""

    kind: EngineKind
    exposition: Exposition


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPage:
    """Nothing of use was read."""

    reason: str
    """It is shown to operators."""
    reachable: bool | None
    """True if the server answered, and False if no connection could be made. None if neither is certain: a server that
    answers late or breaks off may only be busy.
    """


class PageReader:
    """The metrics of a server, or a page that an operator has named."""

    def __init__(
        self,
        where: str | MetricsPage,
        client: httpx.AsyncClient,
        *,
        kinds: KnownKinds,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`where` is the base URL of a server, or a page."""
        self._where = where
        self.name, self.role = (where, Role.WHOLE) if isinstance(where, str) else (where.url, where.role)
        self._client = client
        self._kinds = kinds
        self._kind: EngineKind | None = None
        """The kind that recognised the last answer."""
        self._timeout_s = timeout_s
        self._clock = clock
        self._read_at = clock()

    @property
    def silent_s(self) -> float:
        """Seconds since it was read, or since the start before that."""
        return self._clock() - self._read_at

    async def read(self) -> Page | NoPage:
        """Read once.

        A server's kind is recognised from its metrics. So the metrics path of each kind is tried until one kind
        recognises what is there. The path of the last time comes first.
        """
        reasons = []
        for url, path in self._places():
            try:
                status, body = await fetch(self._client, url, timeout_s=self._timeout_s, max_bytes=MAX_BODY_BYTES)
            except TimeoutError:
                return NoPage(reason=f"no answer from {url} within {self._timeout_s:g} s", reachable=None)
            except httpx.HTTPError as error:
                is_refused = isinstance(error, httpx.ConnectError) and not is_own_exhaustion(error)
                return NoPage(reason=f"{url}: {describe(error)}", reachable=False if is_refused else None)
            page = await self._recognise(path, body) if httpx.codes.is_success(status) else f"answers {status}"
            if isinstance(page, Page):
                self._kind, self._read_at = page.kind, self._clock()
                return page
            reasons.append(f"{url} {page}")
        return NoPage(reason="; ".join(reasons), reachable=True)

    def _places(self) -> Iterator[tuple[str, str | None]]:
        """The URLs to try, each with the metrics path of the kinds that it may be of."""
        if isinstance(self._where, MetricsPage):
            yield self._where.url, None
            return
        known = () if self._kind is None else (self._kind.metrics_path,)
        for path in dict.fromkeys((*known, *self._kinds.metrics_paths)):
            yield f"{self._where}{path}", path

    async def _recognise(self, path: str | None, body: bytes | None) -> Page | str:
        """The page, or the reason if it is not a known engine's."""
        if body is None:
            return f"answers with more than {MAX_BODY_BYTES} bytes, in tiny chunks, or compressed though not asked for"
        kind, exposition = await in_turns(self._read_in_steps(path, body.decode("utf-8", "replace")))
        if kind is None:
            what = "malformed series" if exposition.malformed_lines else "no series of a known engine"
            return f"answers, but exports {what}"
        return Page(kind=kind, exposition=exposition)

    def _read_in_steps(
        self, path: str | None, text: str
    ) -> Generator[None, None, tuple[EngineKind | None, Exposition]]:
        if self._kind is not None and path in {None, self._kind.metrics_path}:
            exposition = yield from exposition_in_steps(text, self._kind.wants)
            if self._kind.recognises(exposition):
                return self._kind, exposition
        return (yield from self._kinds.read_in_steps(path, text))
