"""A request for one of the gateway's own paths, which an ASGI application answers."""

import asyncio
import logging
from typing import Any

from concur_proxy.relay.body import ClientGone
from concur_proxy.relay.client import ADMIN_CALLER, Asgi, Message, Scope
from concur_proxy.server.request import ClientRequest

logger = logging.getLogger(__name__)

_FAILED = b"Internal Server Error"


def scope_of(request: ClientRequest, *, scheme: str, client: tuple[str, int] | None, caller: str | None) -> Scope:
    """ASGI's description of a request. `caller` is who has connected to the socket of the admin API, None for the main
    port.
    """
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.0" if request.is_old else "1.1",
        "scheme": scheme,
        "client": client,
        "server": None,
        "method": request.method,
        "path": request.path,
        "raw_path": request.raw_path,
        "query_string": request.query or b"",
        "root_path": "",
        "headers": request.headers,
        "extensions": {} if caller is None else {ADMIN_CALLER: caller},
    }
    return scope


class OwnRequest:
    """Gives an application the request, and the client the application's answer."""

    def __init__(self, request: ClientRequest) -> None:
        self._request = request
        self._is_read = False
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []

    async def serve(self, app: Asgi, scope: Scope) -> None:
        """Run the application. Whatever it does, the answer ends."""
        request = self._request
        try:
            await app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            request.cut_off()
            raise
        except Exception:
            logger.exception("%s %r failed", request.method, request.path[:200])
            if not request.has_begun:
                request.begin(500, [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(_FAILED))])
                request.end(_FAILED)
        request.cut_off()

    async def _receive(self) -> Message:
        request = self._request
        if not self._is_read:
            try:
                body, more = await request.next_part()
            except ClientGone:
                return {"type": "http.disconnect"}
            self._is_read = not more
            return {"type": "http.request", "body": body, "more_body": more}
        while not request.is_gone and not request.is_answered:
            await request.has_come
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        request = self._request
        if request.is_gone:
            return
        if message["type"] == "http.response.start":
            request.begin(message["status"], [(name.lower(), value) for name, value in message["headers"]])
            return
        body = message.get("body", b"")
        if not message.get("more_body", False):
            request.end(body)
            request.has_come.fire()
            return
        if body:
            request.write(body)
        else:
            request.flush()
        await request.drained()
