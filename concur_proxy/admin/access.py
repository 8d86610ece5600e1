"""Who may call the gateway's own paths, and at which of its sockets."""

import asyncio
import logging
from hmac import compare_digest
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from concur_proxy.admin.operations import error_body
from concur_proxy.admin.paths import CLOSED_PATHS, OWN_PATHS, PRIVATE_METRICS_PATHS
from concur_proxy.relay.client import ADMIN_CALLER, Scope
from concur_proxy.settings.admin_listen import ADDRESS_HEADER, MAIN, is_loopback

logger = logging.getLogger(__name__)

WRONG_KEY_DELAY_S = 1.0
"""How long the answer to a wrong key is delayed."""
WAITING_PER_CALLER = 4
"""A caller with so many delayed answers is refused at once, whatever it sends."""
WAITING_IN_ALL = 256
"""Beyond so many delayed answers, a wrong key is refused at once."""
_FORWARDED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip"})
"""A proxy on this machine adds one of these headers to requests from other machines."""


class AdminAccess:
    """Decides about each caller."""

    def __init__(
        self, *, admin_key: str | None, admin_listen: str, private_metrics: bool, registry: CollectorRegistry
    ) -> None:
        self.admin_url: str | None = None
        """Where the admin API listens in addition to the main port, known once it listens."""
        self._key = None if admin_key is None else admin_key.encode()
        self._elsewhere = frozenset[str]()
        if admin_key is None and admin_listen != MAIN:
            self._elsewhere |= CLOSED_PATHS
        if private_metrics:
            self._elsewhere |= PRIVATE_METRICS_PATHS
        self._waiting: dict[str, int] = {}
        self._wrong = Counter(
            "concur_admin_wrong_keys",
            "Calls of the admin API with a wrong key, and those refused after too many of them",
            registry=registry,
        )

    def misplaced(self, scope: Scope) -> Response | None:
        """An error response if this path is not served at the socket by which the request came, else None."""
        if is_admin_socket(scope):
            if scope["path"] in OWN_PATHS:
                return None
            return error(404, "unknown_path", "This is the address of the admin API. Engines are at the main port.")
        if scope["path"] not in self._elsewhere:
            return None
        caller = scope.get("client")
        if self.admin_url is None or caller is None or not _is_loopback(caller[0]):
            return error(
                403, "not_here", "The main port does not serve this. See the settings admin_listen and admin_key."
            )
        message = f"The main port does not serve {scope['path']}. On this machine, {self.admin_url} does."
        refused = error(403, "not_here", message)
        refused.headers[ADDRESS_HEADER] = self.admin_url
        return refused

    async def refusal(self, request: Request) -> Response | None:
        """An error response if the caller may not use the admin API, else None.

        With an admin key, everyone who sends the key is allowed. A browser never adds the key by itself, so origin and
        host do not matter. The answer to a wrong key is delayed.

        Without a key, only this machine is allowed. Cross-origin requests and DNS rebinding are rejected, because a web
        page of a stranger may be open in a browser on this machine. Requests that a proxy forwarded are rejected too.
        """
        if self._key is not None:
            return await self._without_key(request, self._key)
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        if origin is not None and _netloc(origin) != host:
            return error(403, "other_origin", f"Pages from {origin[:200]} must not call this API.")
        is_here = is_admin_socket(request.scope) or (request.client is not None and _is_loopback(request.client.host))
        is_forwarded = not _FORWARDED.isdisjoint(request.headers)
        if is_here and _is_local_name(host) and not is_forwarded:
            return None
        message = "Without an admin_key, only the gateway's own machine may call this API. Set one to allow others."
        return error(403, "not_local", message)

    def is_here(self, scope: Scope) -> bool:
        """Whether the request comes from this machine: not through a proxy, and not by a name for other machines."""
        caller, headers = scope.get("client"), Headers(scope=scope)
        is_direct = caller is not None and _is_loopback(caller[0]) and _FORWARDED.isdisjoint(headers)
        return is_direct and _is_local_name(headers.get("host", ""))

    async def _without_key(self, request: Request, key: bytes) -> Response | None:
        caller = caller_of(request.scope)
        waiting = self._waiting.get(caller, 0)
        if waiting >= WAITING_PER_CALLER:
            self._wrong.inc()
            return error(429, "too_many_wrong_keys", "Too many calls with a wrong key came from this address.")
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and compare_digest(given.encode("latin-1"), key):
            return None
        if "authorization" in request.headers:
            self._wrong.inc()
            logger.warning("wrong admin key from %s: %s %s", caller, request.method, request.url.path)
            if sum(self._waiting.values()) < WAITING_IN_ALL:
                await self._delay(caller)
        return error(401, "wrong_key", "Send the gateway's admin_key in the header Authorization: Bearer KEY.")

    async def _delay(self, caller: str) -> None:
        self._waiting[caller] = self._waiting.get(caller, 0) + 1
        try:
            await asyncio.sleep(WRONG_KEY_DELAY_S)
        finally:
            self._waiting[caller] -= 1
            if not self._waiting[caller]:
                del self._waiting[caller]


def error(status: int, code: str, message: str) -> Response:
    """An error in the format of the admin API."""
    return Response(error_body(status, code, message), status, media_type="application/json")


def is_admin_socket(scope: Scope) -> bool:
    """Whether the request came by the socket of the admin API."""
    return ADMIN_CALLER in (scope.get("extensions") or {})


def caller_of(scope: Scope) -> str:
    """The caller's address, or the user at the other end of a unix socket."""
    if is_admin_socket(scope):
        return str(scope["extensions"][ADMIN_CALLER])
    return str(scope["client"][0]) if scope.get("client") else "unknown"


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _is_local_name(host: str) -> bool:
    """Whether the `Host` header names this machine. It may be missing: every browser sends one."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "localhost")
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:  # an IPv4 caller of an IPv6 socket
        address = address.ipv4_mapped
    return address.is_loopback
