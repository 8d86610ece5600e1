"""The page of control laws: what each does, and its options with their defaults."""

import inspect
from dataclasses import fields, is_dataclass
from types import ModuleType

from concur_proxy import plugins
from tests.docs.reference.page import attribute_docstrings, code, docstring, page, table

ABOUT = """\
`--law NAME` chooses the control law that moves the window, `--set KEY=VALUE` sets an option of the law. Both can change
while the gateway runs, in its configuration file or with `PUT /concur/v1/law`. [Which law to
choose](../../../concur_proxy/control/laws/README.md) says when to use which, and [Write a plug-in](../guides/extend.md)
how to add one."""


def laws_page() -> str:
    """A section for each law of the package."""
    names = plugins.available(plugins.LAWS)
    return page("Control laws", ABOUT, *(_section(name, _module(name)) for name in names))


def _module(name: str) -> ModuleType:
    module = inspect.getmodule(plugins.load(plugins.LAWS, name))
    assert module is not None
    return module


def _section(name: str, module: ModuleType) -> str:
    options = _options(module)
    if options is None:
        return f"## {name}\n\n{docstring(module)}"
    meanings = attribute_docstrings(options)
    rows = [
        [code(field.name), code(f"{_shown(field.default)}"), meanings.get(field.name, "")] for field in fields(options)
    ]
    return f"## {name}\n\n{docstring(module)}\n\n" + table(["Option", "Default", "Meaning"], rows)


def _options(module: ModuleType) -> type | None:
    """The dataclass of a law's own options; None for a law that takes those of another."""
    own = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if is_dataclass(kind) and kind.__module__ == module.__name__ and kind.__name__.endswith("Options")
    ]
    return own[0] if own else None


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
