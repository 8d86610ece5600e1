"""What gateways of this protocol send each other and save in Redis, field by field.

python -m tests.coordination.shapes     write tests/coordination/shapes.json

It refuses a change that an older gateway would misread; such a change needs a higher `PROTOCOL`. Structures are sent as
arrays: a field may only be added at the end, with a default.
"""

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from concur_proxy.admission.handover import SessionRecord
from concur_proxy.coordination.protocol.messages import Batch
from concur_proxy.coordination.redis.link import PROTOCOL

FILE = Path(__file__).with_name("shapes.json")
ROOTS = (Batch, SessionRecord)

Shapes = dict[str, list[str]]
"""The fields of each structure, in order: name and type, and `=` if it has a default."""


def shapes() -> Shapes:
    """The structures of this version."""
    found: Shapes = {}
    for root in ROOTS:
        _add(root, found)
    return dict(sorted(found.items()))


def misread(before: Shapes, now: Shapes) -> list[str]:
    """What a gateway with the shapes `before` would misread, or send wrongly, to one with the shapes of `now`."""
    problems = []
    for name, fields in before.items():
        kept = now.get(name, [])
        if kept[: len(fields)] != fields:
            problems.append(f"{name}: {fields} became {kept}")
        problems += [f"{name}: {field} has no default" for field in kept[len(fields) :] if not field.endswith("=")]
    return problems


def _add(kind: Any, found: Shapes) -> None:  # noqa: ANN401 - any annotation
    if isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind)):
        if kind.__name__ in found:
            return
        hints = typing.get_type_hints(kind)
        found[kind.__name__] = [f"{name}: {_shown(hints[name])}{mark}" for name, mark in _fields(kind)]
        for hint in hints.values():
            _add(hint, found)
    for part in typing.get_args(kind):
        _add(part, found)


def _fields(kind: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a structure or a dataclass
    if issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            yield field.name, "" if field.required else " ="
    else:
        for each in dataclasses.fields(kind):
            has_default = each.default is not dataclasses.MISSING or each.default_factory is not dataclasses.MISSING
            yield each.name, " =" if has_default else ""


def _shown(hint: Any) -> str:  # noqa: ANN401 - any annotation
    """The annotation, in the same words on every Python."""
    parts, origin = typing.get_args(hint), typing.get_origin(hint)
    if hint is ...:
        return "..."
    if origin in {typing.Union, types.UnionType}:
        return " | ".join(sorted(_shown(part) for part in parts))
    name = str(getattr(origin or hint, "__name__", hint)).replace("NoneType", "None")
    return f"{name}[{', '.join(_shown(part) for part in parts)}]" if parts else name


def main() -> int:
    """Write the file, if no older gateway of this protocol would misread the change."""
    now = shapes()
    if FILE.exists():
        before = json.loads(FILE.read_text())
        problems = misread(before["shapes"], now) if before["protocol"] == PROTOCOL else []
        for problem in problems:
            print(f"shapes: raise PROTOCOL in concur_proxy/coordination/redis/link.py: {problem}", file=sys.stderr)
        if problems:
            return 1
    FILE.write_text(json.dumps({"protocol": PROTOCOL, "shapes": now}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
