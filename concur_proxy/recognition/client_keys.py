"""The file of client keys: which tenant a key belongs to. It contains the keys' hashes, never the keys.

    [[keys]]
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    tenant = "research"
    weight = 3.0
    priority = 0
    max_active = 20
    max_waiting = 200
    max_connections = 400
    max_buffered_bytes = 100_000_000

Only `sha256` and `tenant` are required. A tenant can have several keys, for example while one replaces another.
"""

import math
import re
import tomllib
from collections.abc import Mapping

import msgspec

from concur_proxy.recognition.tenants import MAX_TENANT_CHARS, Tenant, is_tenant_name

MOST_PRIORITY = 4
"""Priority classes reach from -4 to 4."""
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sha256: str
    tenant: str
    weight: float = 1.0
    priority: int = 0
    max_active: int | None = None
    max_waiting: int | None = None
    max_connections: int | None = None
    max_buffered_bytes: int | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keys: list[_Entry] = []


def parse_client_keys(text: str) -> Mapping[bytes, Tenant]:
    """Return the tenant of each key by the key's SHA-256. Raises `ValueError` that says what is wrong, and where."""
    try:
        entries = msgspec.convert(tomllib.loads(text), _File).keys
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    tenants: dict[bytes, Tenant] = {}
    for number, entry in enumerate(entries, start=1):
        problem = _problem(entry)
        digest = b"" if problem else bytes.fromhex(entry.sha256)
        if digest in tenants:
            problem = "has the same sha256 as another key"
        if problem:
            raise ValueError(f"key {number} {problem}")
        tenants[digest] = Tenant(
            name=entry.tenant,
            weight=entry.weight,
            priority=entry.priority,
            max_active=entry.max_active,
            max_waiting=entry.max_waiting,
            max_connections=entry.max_connections,
            max_buffered_bytes=entry.max_buffered_bytes,
            is_declared=True,
        )
    return tenants


def client_key_entry(sha256: str, tenant: str) -> str:
    """Return the lines of a key for the file."""
    quoted = msgspec.json.encode(tenant).decode()
    return f'[[keys]]\nsha256 = "{sha256}"\ntenant = {quoted}\n'


def _problem(entry: _Entry) -> str:
    """What is wrong with an entry; empty if it is correct."""
    if not _SHA256.fullmatch(entry.sha256):
        return "needs a sha256 of 64 hexadecimal digits"
    if not is_tenant_name(entry.tenant):
        return f"needs a tenant of 1 to {MAX_TENANT_CHARS} printable characters"
    if not 0 < entry.weight < math.inf:
        return "needs a weight above 0"
    if abs(entry.priority) > MOST_PRIORITY:
        return f"needs a priority from {-MOST_PRIORITY} to {MOST_PRIORITY}"
    limits = (entry.max_active, entry.max_waiting, entry.max_connections, entry.max_buffered_bytes)
    if any(limit is not None and limit < 1 for limit in limits):
        return "needs limits of 1 or more"
    return ""
