"""What the requests in progress hold, all together and by tenant: memory for their bodies, and connections."""

from types import TracebackType
from typing import Self

import msgspec

LARGE_BYTES = 1 << 20
"""A body of more bytes is large."""
LARGE_HEAD_BYTES = 8192
"""A header that is larger counts with the body. Usual ones have 1 or 2 kB."""
LEFT_FOR_SMALL = 4
"""One part of so many of the limit for all bodies is left for those that are not large. Otherwise a few uploads could
make the gateway refuse every other request.
"""


class BodiesTooLarge(Exception):  # noqa: N818 - a fact, not a fault
    """All bodies that the gateway holds would exceed the configured limit together."""


class TenantBodiesTooLarge(Exception):  # noqa: N818 - as above
    """The bodies of one tenant would exceed its limit together."""


class TooManyOpenRequests(Exception):  # noqa: N818 - as above
    """The tenant has as many open requests as it may have."""


class Holding(msgspec.Struct):
    """What the open requests of one tenant hold."""

    requests: int = 0
    """Open requests. Each has a connection of its own: the next request of a connection begins after the answer."""
    body_bytes: int = 0


class OpenRequests:
    """All requests in progress."""

    def __init__(self) -> None:
        self.body_bytes = 0
        self.tenants: dict[str, Holding] = {}
        """By name. A tenant without an open request is absent."""

    def begin(
        self, tenant: str, *, max_requests: int | None, max_bytes: int, max_tenant_bytes: int | None
    ) -> "OpenRequest":
        """Count a request of the tenant until the end of the `with` block for which it is used.

        `max_bytes` limits the bodies of all requests together; the others are the tenant's limits, None for no limit.
        Raises `TooManyOpenRequests`; the request does not count then.
        """
        holding = self.tenants.get(tenant)
        if holding is None:
            holding = self.tenants[tenant] = Holding()
        elif max_requests is not None and holding.requests >= max_requests:
            raise TooManyOpenRequests
        holding.requests += 1
        return OpenRequest(self, tenant, holding, max_bytes, max_tenant_bytes)


class OpenRequest:
    """One request in progress. Its body stays in memory for a retry until the answer has ended."""

    __slots__ = ("_all", "_holding", "_max_bytes", "_max_tenant_bytes", "_taken", "_tenant")

    def __init__(
        self, every: OpenRequests, tenant: str, holding: Holding, max_bytes: int, max_tenant_bytes: int | None
    ) -> None:
        self._all = every
        self._tenant = tenant
        self._holding = holding
        self._max_bytes = max_bytes
        self._max_tenant_bytes = max_tenant_bytes
        self._taken = 0

    def take_head(self, size: int) -> None:
        """Count a header of `size` bytes if it is large. Raises as `take`."""
        if size > LARGE_HEAD_BYTES:
            self.take(size)

    def take(self, size: int) -> None:
        """Count `size` more bytes of the body. Raises `BodiesTooLarge` or `TenantBodiesTooLarge` if there is no room
        for them; they do not count then. A large body may take all that is left only if there is no other body.
        """
        most, is_large = self._max_bytes, self._taken + size > LARGE_BYTES
        if is_large and self._all.body_bytes > self._taken:
            most -= most // LEFT_FOR_SMALL
        if self._all.body_bytes + size > most:
            raise BodiesTooLarge
        if self._max_tenant_bytes is not None and self._holding.body_bytes + size > self._max_tenant_bytes:
            raise TenantBodiesTooLarge
        self._all.body_bytes += size
        self._holding.body_bytes += size
        self._taken += size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.body_bytes -= self._taken
        self._holding.body_bytes -= self._taken
        self._taken = 0
        self._holding.requests -= 1
        if not self._holding.requests:
            del self._all.tenants[self._tenant]
