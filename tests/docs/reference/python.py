"""The page of the public Python API: what is stable, and what each name does."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from importlib import import_module
from itertools import pairwise
from types import ModuleType

from tests.docs.reference.page import attribute_docstrings, code, docstring, page, table

ABOUT = """\
The names on this page are public. They keep their meaning, and a version that changes or removes one says so under
"Changed" or "Removed" in the [changelog](../../../.github/CHANGELOG.md) and gets a higher second number, from 1.0 on a
higher first one. Arguments with a default may be added at any time, so pass arguments by keyword.

Everything else in the package `concur_proxy` is internal and may change with every version, with an underscore or
without. Settings, commands, HTTP paths and headers, metrics and the admin API are public too: the other pages of this
[reference](README.md) list them. [Use it from Python](../guides/python.md) shows how the three modules are used."""

PUBLIC = ("concur_proxy.client", "concur_proxy.asgi", "concur_proxy.aio")
"""Modules whose `__all__` is public."""

PLUGIN_INTERFACES: Mapping[str, Sequence[str]] = {
    "concur_proxy.control.law": ("ControlLaw", "ResumableLaw", "Decision", "DecisionKind", "Budget"),
    "concur_proxy.control.signal": ("CongestionSignal",),
    "concur_proxy.control.options": ("read_options",),
    "concur_proxy.recognition.recogniser": ("Recogniser", "RecogniserOptions", "Recognition", "session_key"),
    "concur_proxy.admission.order": ("QueueOrder",),
    "concur_proxy.admission.placement": ("Placement",),
    "concur_proxy.engines.kind": ("EngineKind", "EnginePaths"),
    "concur_proxy.engines.sample": ("EngineSample",),
    "concur_proxy.engines.exposition": ("Exposition",),
    "concur_proxy.settings.gateway": ("GatewaySettings",),
    "concur_proxy.cli.load": ("SettingsError",),
}
"""What plug-ins are written against, and what the public modules take and raise."""


def python_page() -> str:
    """A section for each public module, and the names for plug-ins."""
    sections = [_module(import_module(name)) for name in PUBLIC]
    rows = [
        [code(module), code(name), _first_line(getattr(import_module(module), name))]
        for module, names in PLUGIN_INTERFACES.items()
        for name in names
    ]
    plugins = "## For plug-ins and settings\n\n[Write a plug-in](../guides/extend.md) says how these are used.\n\n"
    return page("Python API", ABOUT, *sections, plugins + table(["Module", "Name", "What it is"], rows))


def _module(module: ModuleType) -> str:
    names = sorted(module.__all__, key=str.lower)
    members = [_member(module, name) for name in names]
    return "\n\n".join([f"## {module.__name__}", docstring(module), *members])


def _member(module: ModuleType, name: str) -> str:
    member = getattr(module, name)
    if not inspect.isclass(member):
        return f"### {name}\n\n`{_signature(name, member)}`\n\n{inspect.getdoc(member)}"
    parts = [f"### {name}", inspect.getdoc(member) or ""]
    if is_dataclass(member):
        meanings = attribute_docstrings(member)
        parts.append(table(["Field", "Meaning"], [[code(field), text] for field, text in meanings.items()]))
    else:
        rows = [*_members(member)]
        parts.append(table(["Member", "Meaning"], rows) if rows else "")
    return "\n\n".join(part for part in parts if part)


def _members(owner: type) -> Iterator[list[str]]:
    start = owner.__dict__.get("__init__")
    if start is not None and start.__doc__:
        yield [code(_signature(owner.__name__, start)), start.__doc__]
    for name, meaning in _attributes(owner).items():
        yield [code(name), meaning]
    for name, member in sorted(owner.__dict__.items()):
        if name.startswith("_") or not (member.__doc__ or "").strip():
            continue
        if isinstance(member, property):
            yield [code(name), member.__doc__ or ""]
        elif inspect.isfunction(member):
            yield [code(_signature(name, member)), member.__doc__ or ""]


def _attributes(owner: type) -> dict[str, str]:
    """The attributes that `__init__` sets and that a string explains."""
    start = owner.__dict__.get("__init__")
    if not inspect.isfunction(start):
        return {}
    body = ast.parse(textwrap.dedent(inspect.getsource(start))).body[0]
    assert isinstance(body, ast.FunctionDef)
    found = {}
    for assigned, text in pairwise(body.body):
        match assigned, text:
            case ast.Assign(targets=[ast.Attribute(attr=name)]), ast.Expr(value=ast.Constant(value=str(meaning))):
                if not name.startswith("_"):
                    found[name] = meaning
    return found


def _signature(name: str, function: object) -> str:
    parameters = [value for value in inspect.signature(function).parameters.values() if value.name != "self"]  # type: ignore[arg-type]
    shown = str(inspect.Signature(parameters))
    return name + re.sub(r"~|\b(?:\w+\.)+(?=\w)", "", shown)


def _first_line(member: object) -> str:
    text = (inspect.getdoc(member) or "").partition("\n\n")[0] if inspect.isclass(member) or callable(member) else ""
    return " ".join(text.split())
