"""The tenant of a request, and the names of sessions among several tenants.

The first of these that the operator has set up decides for every request:

    client keys         the tenant of the key; a request without a valid key is refused
    a trusted header    the tenant that it names; a request without it belongs to the tenant without a name
    neither             the request's own credential is its tenant, by its hash; without one, the tenant without a name

A credential is a tenant only as long as it stays the same: a client that gets a new token begins new sessions. Clients
whose tokens change often need client keys or a trusted header.
"""

from collections.abc import Mapping
from hashlib import blake2b, sha256
from struct import pack

import msgspec

CREDENTIALS = (b"authorization", b"x-api-key", b"api-key")
"""The headers that tell one client from another."""
MAX_TENANT_CHARS = 64
"""Longer names of tenants are replaced by their digests."""
DIGEST_BYTES = 12

_SEPARATOR = "\x1f"
"""Stands between tenant and key in the name of a session. A client's key is printable, so it contains none."""


class Tenant(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tenant, as the key or header of a request says."""

    name: str = ""
    """Empty: the tenant of all requests that name none."""
    weight: float = 1.0
    """Its share in comparison with that of other tenants."""
    priority: int = 0
    """Its priority class; 0 is the normal one."""
    max_active: int | None = None
    """Its sessions that may hold a place at one engine; None: no limit."""
    max_waiting: int | None = None
    """Its sessions that may wait for a place at one engine; None: no limit."""
    max_connections: int | None = None
    """Its connections that may have an open request; None: the limit of the settings."""
    max_buffered_bytes: int | None = None
    """Bytes of all bodies of its requests that the gateway may hold; None: the limit of the settings."""
    is_declared: bool = False
    """Whether the operator has set up tenants. If not, the name changes with the credential."""


ONLY = Tenant()
"""The tenant of requests without a credential."""


class Tenants:
    """Finds the tenant of each request."""

    def __init__(self, *, keys: Mapping[bytes, Tenant] | None = None, header: bytes | None = None) -> None:
        """`keys`: the tenant of each client key, by the SHA-256 of the key. `header`: the name of the trusted header in
        lower case.
        """
        self._keys = keys
        self._header = header
        self._first: str | None = None
        self.are_several = False
        """Whether requests of more than one tenant have come."""

    def meet(self, tenant: Tenant) -> None:
        """A request of the tenant has come."""
        if self._first is None:
            self._first = tenant.name
        elif tenant.name != self._first:
            self.are_several = True

    @property
    def has_keys(self) -> bool:
        """Whether a request needs a client key."""
        return self._keys is not None

    def use(self, keys: Mapping[bytes, Tenant]) -> None:
        """Replace the client keys."""
        self._keys = keys

    def of(self, values: Mapping[bytes, bytes]) -> Tenant | None:
        """Return the tenant of a request with these headers; None if it has no valid client key and needs one.

        `values` has the first value of each header by its lower-case name.
        """
        if self._keys is not None:
            return self._of_key(values, self._keys)
        if self._header is not None:
            return Tenant(name=_usable(values.get(self._header, b"")), is_declared=True)
        name = credential_of(values)
        return Tenant(name=name) if name else ONLY

    def _of_key(self, values: Mapping[bytes, bytes], keys: Mapping[bytes, Tenant]) -> Tenant | None:
        # The look-up is by digest. How long it takes says nothing about a key, because nobody can choose a digest.
        for name in CREDENTIALS:
            value = values.get(name)
            if value is not None and (key := _key_in(name, value)):
                tenant = keys.get(sha256(key).digest())
                if tenant is not None:
                    return tenant
        return None


def credential_of(values: Mapping[bytes, bytes]) -> str:
    """Return the name of the tenant that a request's own credential is; empty if the request has none."""
    parts = [values.get(name, b"") for name in CREDENTIALS]
    if not any(parts):
        return ""
    sizes = pack("<3Q", *map(len, parts))
    return "credential:" + blake2b(sizes + b"".join(parts), digest_size=DIGEST_BYTES).hexdigest()


def scoped(tenant: str, key: str) -> str:
    """Return the name of a tenant's session with this key. Two tenants never get the same name."""
    return f"{tenant}{_SEPARATOR}{key}" if tenant or _SEPARATOR in key else key


def split_name(name: str) -> tuple[str, str]:
    """Return the tenant and the key of a session's name."""
    tenant, separator, key = name.partition(_SEPARATOR)
    return (tenant, key) if separator else ("", name)


def is_tenant_name(text: str) -> bool:
    """Whether a tenant can have this name."""
    return 0 < len(text) <= MAX_TENANT_CHARS and text.isprintable() and text == text.strip()


def _key_in(header: bytes, value: bytes) -> bytes:
    """Return the key in a credential header; empty if it has another scheme than `Bearer`."""
    if header != b"authorization":
        return value.strip()
    scheme, _, key = value.partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""


def _usable(value: bytes) -> str:
    text = value.decode("utf-8", "replace").strip()
    if not text or is_tenant_name(text):
        return text
    return "sha256:" + sha256(value).hexdigest()[:32]
