"""The file of client keys: which tenant a key belongs to. It contains the keys' hashes, never the keys.

    [[keys]]
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    tenant = "research"
    weight = 3.0
    priority = 0
    max_active = 20
    max_waiting = 200
    max_connections = 400
    max_buffered_bytes = "100M"

Only `sha256` and `tenant` are required. A tenant can have several keys, for example while one replaces another.
"""

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from concur_proxy.control.faults import Faults
from concur_proxy.control.quantities import size
from concur_proxy.recognition.tenants import MAX_TENANT_CHARS, Tenant, is_tenant_name

MOST_PRIORITY = 4
"""Priority classes reach from -4 to 4."""
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_HEADER = re.compile(r"\s*\[\[\s*[\"']?keys[\"']?\s*\]\]")
_NAME = re.compile(r"\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*=")


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    sha256: str
    tenant: str
    weight: float = 1.0
    priority: int = 0
    max_active: int | None = None
    max_waiting: int | None = None
    max_connections: int | None = None
    max_buffered_bytes: int | None = None


_KINDS = {field.name: field.type for field in msgspec.structs.fields(_Entry)}
_LIMITS = ("max_active", "max_waiting", "max_connections", "max_buffered_bytes")
_NEEDS = {
    "sha256": "a sha256 of 64 hexadecimal digits",
    "tenant": f"a tenant of 1 to {MAX_TENANT_CHARS} printable characters",
    "weight": "a weight above 0",
    "priority": f"a priority from {-MOST_PRIORITY} to {MOST_PRIORITY}",
    **{name: f"{name} to be a whole number of 1 or more" for name in _LIMITS},
    "max_buffered_bytes": "max_buffered_bytes to be 1 or more, or a size such as 100M",
}


def parse_client_keys(text: str) -> Mapping[bytes, Tenant]:
    """Return the tenant of each key by the key's SHA-256. Raises `Faults` with everything that is wrong, and where."""
    try:
        file = tomllib.loads(text)
    except RecursionError as error:
        raise Faults(["is nested too deeply"]) from error
    except tomllib.TOMLDecodeError as error:
        raise Faults([str(error)]) from error
    problems = [f"unknown name `{name}`: each key begins with [[keys]]" for name in file if name != "keys"]
    entries = file.get("keys", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Faults([*problems, "`keys` must be tables: each key begins with [[keys]]"])
    lines = _lines(text, len(entries))
    tenants: dict[bytes, Tenant] = {}
    for number, (entry, own_lines) in enumerate(zip(entries, lines, strict=True), start=1):
        faults = dict(_faults(entry))
        digest = b"" if "sha256" in faults else bytes.fromhex(entry["sha256"])
        if digest in tenants:
            faults["sha256"] = "has the same sha256 as another key"
        for name, fault in faults.items():
            line = own_lines.get(name, own_lines.get(""))
            problems.append(f"key {number} {fault}" if line is None else f"line {line}: key {number} {fault}")
        if not faults:
            tenants[digest] = _tenant(entry)
    if problems:
        raise Faults(problems)
    return tenants


def _tenant(entry: Mapping[str, Any]) -> Tenant:
    read = msgspec.convert({name: _amount(name, value) for name, value in entry.items()}, _Entry)
    return Tenant(
        name=read.tenant,
        weight=read.weight,
        priority=read.priority,
        max_active=read.max_active,
        max_waiting=read.max_waiting,
        max_connections=read.max_connections,
        max_buffered_bytes=read.max_buffered_bytes,
        is_declared=True,
    )


def client_key_entry(sha256: str, tenant: str) -> str:
    """Return the lines of a key for the file."""
    quoted = msgspec.json.encode(tenant).decode()
    return f'[[keys]]\nsha256 = "{sha256}"\ntenant = {quoted}\n'


def _faults(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The name and the fault of each value of an entry that is wrong or missing."""
    for name in (name for name in entry if name not in _KINDS):
        near = get_close_matches(name, _KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it may have {', '.join(_KINDS)}"
        yield name, f"has an unknown name {name!r}: {hint}"
    for name, kind in _KINDS.items():
        if name not in entry and name not in {"sha256", "tenant"}:
            continue
        try:
            value = msgspec.convert(_amount(name, entry.get(name)), kind)
        except ValueError:
            value = None
        if value is None or not _is_right(name, value):
            yield name, f"needs {_NEEDS[name]}"


def _amount(name: str, value: object) -> object:
    """The bytes of a size with a unit. Raises `ValueError` if it is not a size."""
    return size(value) if name == "max_buffered_bytes" and isinstance(value, str) else value


def _is_right(name: str, value: Any) -> bool:  # noqa: ANN401 - of the kind of its name
    if name == "sha256":
        return _SHA256.fullmatch(value) is not None
    if name == "tenant":
        return is_tenant_name(value)
    if name == "weight":
        return bool(0 < value < math.inf)
    return bool(abs(value) <= MOST_PRIORITY if name == "priority" else value >= 1)


def _lines(text: str, count: int) -> list[dict[str, int]]:
    """For each key the line of each of its names, and with "" the line on which the key begins.

    Empty for each key if the keys are not written as [[keys]], as in an array of inline tables.
    """
    found: list[dict[str, int]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if _HEADER.match(line):
            found.append({"": number})
        elif found and (name := _NAME.match(line)):
            found[-1].setdefault(name[1], number)
    return found if len(found) == count else [{} for _ in range(count)]
