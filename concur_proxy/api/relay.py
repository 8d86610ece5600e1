"""The engines' paths: what may pass goes on as an `Exchange`, the rest gets the error that it deserves."""

import asyncio
import dataclasses
import logging
from uuid import uuid4

from concur_proxy.api.answer import Answer
from concur_proxy.api.exchange import Exchange
from concur_proxy.api.messages import Receive, Scope, Send
from concur_proxy.api.parts import GatewayParts, RelayOptions
from concur_proxy.wire.endpoints import Refusal
from concur_proxy.wire.fault import GatewayFault
from concur_proxy.wire.request_id import REQUEST_ID, find_request_id

logger = logging.getLogger(__name__)


class Relay:
    """A plain ASGI endpoint: one look-up instead of a router, since every allowed path is treated alike."""

    def __init__(self, parts: GatewayParts) -> None:
        self._parts = parts

    def reconfigure(self, options: RelayOptions) -> None:
        """Requests that come from now on are treated by these options."""
        self._parts = dataclasses.replace(self._parts, options=options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        answer = Answer(scope, send)
        if self._parts.options.tell_clients:
            request_id = find_request_id(scope["headers"])
            if request_id is None:
                request_id = uuid4().hex.encode()
                if all(name != REQUEST_ID for name, _ in scope["headers"]):
                    scope = {**scope, "headers": [*scope["headers"], (REQUEST_ID, request_id)]}
            answer.tell(REQUEST_ID, request_id)
        try:
            await self._serve(scope, receive, answer)
        except asyncio.CancelledError:
            # The server stops, and this answer has used up the time that answers in flight are given.
            if answer.status is None:
                await self._refuse(answer, GatewayFault.DRAINING)
        except Exception:  # the outermost place where the client can still be told
            reference = uuid4().hex[:12]
            logger.exception("%s %r failed, reference %s", scope["method"], scope["path"][:200], reference)
            if answer.status is None:
                await self._refuse(answer, GatewayFault.INTERNAL, f"reference {reference}")
            else:
                self._parts.metrics.failed(GatewayFault.INTERNAL.code)
                answer.cut_off()

    async def _serve(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        path: str = scope["path"]
        limit = self._parts.options.max_header_bytes
        if sum(len(name) + len(value) for name, value in scope["headers"]) > limit:
            await self._refuse(answer, GatewayFault.HEADERS_TOO_LARGE, f"the limit is {limit} bytes")
            return
        found = self._parts.readers.catalogue.find(scope["method"], path)
        if isinstance(found, Refusal):
            await self._refuse(answer, found.fault, f"{scope['method']} {path[:200]}", allow=found.allow)
            return
        await Exchange(self._parts, found, scope, receive, answer).run()

    async def _refuse(
        self, answer: Answer, fault: GatewayFault, detail: str = "", *, allow: tuple[str, ...] = ()
    ) -> None:
        self._parts.metrics.failed(fault.code)
        await answer.refuse(fault, detail, allow=allow)
