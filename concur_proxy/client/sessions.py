"""The session of the running code, in a context variable: tasks inherit it, and threads do not see each other's."""

import asyncio
import threading
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self
from urllib.parse import quote
from uuid import uuid4

from .release import gateway_at, gateway_of_request, release, sent_again

SESSION_HEADER = "x-session-id"
PARENT_HEADER = "x-parent-session-id"
"""The gateway reads these two names by default."""

_CURRENT: ContextVar["Session | None"] = ContextVar("concur_session", default=None)


class Session:
    """One agent's run. `session` makes it; use it in `with` or `async with`, once."""

    def __init__(self, name: str, *, parent: str | None, gateways: Mapping[str, Mapping[str, str]]) -> None:
        self.name = name
        """The name that the gateway gets."""
        self.parent = parent
        """The name of the session that started this one; None if no session did."""
        self._gateways: dict[str, Mapping[str, str]] = dict(gateways)
        """Where to end it: the base URL of each gateway that has served it, with headers that include the credential.
        """
        self._token: Token[Session | None] | None = None
        self._outer: Session | None = None
        """The session around this one, if both are one family."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that name this session and its parent."""
        named = {SESSION_HEADER: self.name}
        return named if self.parent is None else {**named, PARENT_HEADER: self.parent}

    def _remember(self, gateways: Mapping[str, Mapping[str, str]]) -> None:
        """The gateway knows the family by the name of the outermost session, which may send no request of its own."""
        self._gateways.update(gateways)
        if self._outer is not None:
            self._outer._remember(gateways)  # noqa: SLF001 - another session

    def __enter__(self) -> Self:
        """Begin: requests from here on belong to this session."""
        if self._token is not None:
            raise RuntimeError("this session has begun already: call session() for each block")
        outer = _CURRENT.get()
        if outer is not None and self.name == outer.name:
            self.parent, self._outer = outer.parent, outer
        elif outer is not None and self.parent in {None, outer.name}:
            self.parent, self._outer = outer.name, outer
        self._remember({**self._gateways})
        self._token = _CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the session. Blocks for at most two seconds a gateway, and in an event loop not at all."""
        self._leave()
        if _is_in_event_loop():
            self._release_in_background()
        else:
            self._release()

    async def __aenter__(self) -> Self:
        """Begin, as `__enter__` does."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the session, and wait for at most two seconds a gateway without blocking the event loop."""
        self._leave()
        if not self._to_release:
            return
        if _is_in_event_loop():
            await asyncio.to_thread(self._release)
        else:  # an event loop that is not asyncio's
            self._release_in_background()

    @property
    def _to_release(self) -> bool:
        """False within a block of the same session, which ends it."""
        return bool(self._gateways) and (self._outer is None or self._outer.name != self.name)

    def _leave(self) -> None:
        if self._token is not None:
            with suppress(ValueError):  # a generator that is closed in another context than it began in
                _CURRENT.reset(self._token)

    def _release(self) -> None:
        if self._to_release:
            for gateway, headers in list(self._gateways.items()):
                release(gateway, self.name, headers)

    def _release_in_background(self) -> None:
        if self._to_release:
            with suppress(RuntimeError):  # no thread can be started: the interpreter ends
                threading.Thread(target=self._release, name="concur-release").start()


def session(
    name: str | None = None, *, parent: str | None = None, gateway: str | None = None, api_key: str | None = None
) -> Session:
    """A session for `with` or `async with`: requests inside are named, and the session ends with the block.

    Without a `name` it gets a random one. `parent` names the session that started this one; by default it is the
    session around this block, if there is one. Both then belong to one family. A block with the name of the session
    around it continues that session.

    The end is reported to each gateway that has answered a request through `attach` or `event_hooks`. If your framework
    takes headers only, name the `gateway` (its URL, with or without `/v1`) and the `api_key` that the requests use.

    Raises `ValueError` for an empty name.
    """
    own = uuid4().hex if name is None else _as_header(name)
    told = {} if gateway is None else {gateway_at(gateway): _credential(api_key)}
    return Session(own, parent=None if parent is None else _as_header(parent), gateways=told)


def headers() -> dict[str, str]:
    """The headers of the current session, for frameworks that take only headers. Empty outside of a session."""
    current = _CURRENT.get()
    return {} if current is None else current.headers


def name_request(headers: MutableMapping[str, str]) -> None:
    """Add the headers of the current session to a request, unless the request names a session already."""
    if (current := _CURRENT.get()) is not None and SESSION_HEADER not in headers:
        for name, value in current.headers.items():
            headers[name] = value


def met_gateway(url: str, headers: Mapping[str, str]) -> None:
    """A gateway has answered a request with this URL and these headers: it is to know when the session ends."""
    current = _CURRENT.get()
    if current is not None and headers.get(SESSION_HEADER) == current.name:
        current._remember({gateway_of_request(url): sent_again(headers)})  # noqa: SLF001 - not for others


def _as_header(name: str) -> str:
    """The name as a header can carry it: what is not printable ASCII is percent-encoded."""
    text = name.strip()
    if not text:
        raise ValueError("a session's name must not be empty")
    return text if text.isascii() and text.isprintable() else quote(text)


def _credential(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"authorization": f"Bearer {api_key}"}


def _is_in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
