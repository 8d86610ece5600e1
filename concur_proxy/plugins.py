"""Plug-ins: parts of the gateway that a setting chooses by name. A user can add one without changing this package.

A name is looked up in three places:

1. In this package: each kind has a folder, and each module in it is one plug-in (`consistent-hash` is
   `admission/placements/consistent_hash.py`).
2. In the entry points of the installed packages: `my-law = "my_package.my_law:build"` in the kind's group.
3. As an import path, `my_package.my_law:build`, if the name has a colon.

The plug-in is always one callable, by convention a function named `build`. What it takes and returns depends on the
kind and is stated in its `signature`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:  # a plug-in's types are imported by the room that uses them
    from concur_proxy.admission.order import QueueOrder
    from concur_proxy.admission.placement import Placement
    from concur_proxy.control.law import ControlLaw
    from concur_proxy.control.options import OptionValue
    from concur_proxy.engines.kind import EngineKind
    from concur_proxy.recognition.recogniser import Recogniser, RecogniserOptions

Build = TypeVar("Build", bound=Callable[..., Any])
Built = TypeVar("Built")


class PluginError(ValueError):
    """A plug-in cannot be used. The message is one line that says what is wrong and how to fix it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginKind(Generic[Build]):
    """One kind of plug-in."""

    title: str
    """What to call it in an error message."""
    package: str
    """The folder of this package with one module per plug-in."""
    signature: str
    """The callable as a plug-in's author writes it."""
    group: str | None = None
    """The entry-point group; None: other packages cannot add plug-ins of this kind by entry point."""
    attribute: str = "build"
    """The name of the callable in a module of `package`."""
    members: tuple[str, ...] = ()
    """What the object that the callable returns must have."""


LAWS: "PluginKind[Callable[[Mapping[str, OptionValue]], ControlLaw]]" = PluginKind(
    title="control law",
    package="concur_proxy.control.laws",
    group="concur_proxy.laws",
    signature="build(options: Mapping[str, OptionValue]) -> ControlLaw",
    members=("window", "enforces", "on_signal", "on_overload"),
)
RECOGNISERS: "PluginKind[Callable[[RecogniserOptions], Recogniser]]" = PluginKind(
    title="recogniser",
    package="concur_proxy.recognition.recognisers",
    group="concur_proxy.recognisers",
    signature="build(options: RecogniserOptions) -> Recogniser",
    members=("body_fields", "recognise"),
)
ORDERS: "PluginKind[Callable[[], QueueOrder]]" = PluginKind(
    title="queue order",
    package="concur_proxy.admission.orders",
    group="concur_proxy.orders",
    signature="build() -> QueueOrder",
    members=("join", "leave", "head", "first_new", "position", "__len__", "__contains__", "__iter__"),
)
PLACEMENTS: "PluginKind[Callable[[], Placement]]" = PluginKind(
    title="placement",
    package="concur_proxy.admission.placements",
    group="concur_proxy.placements",
    signature="build() -> Placement",
    members=("choose",),
)
ENGINE_KINDS: "PluginKind[Callable[[], EngineKind]]" = PluginKind(
    title="engine kind",
    package="concur_proxy.engines.kinds",
    group="concur_proxy.engine_kinds",
    signature="build() -> EngineKind",
)


def load_engine_kinds(names: Sequence[str] = ()) -> "list[EngineKind]":
    """The engine kinds with these names, or all that are available, in the order in which they are asked."""
    return [build(ENGINE_KINDS, name) for name in names or available(ENGINE_KINDS)]


def is_own(kind: PluginKind[Any], name: str) -> bool:
    """Whether the plug-in `name` is one of this package."""
    return name in _own(kind)


def own_engine_kinds() -> "list[EngineKind]":
    """The engine kinds of this package."""
    return [build(ENGINE_KINDS, name) for name in _own(ENGINE_KINDS)]


def available(kind: PluginKind[Any]) -> list[str]:
    """The names of this package's plug-ins and of those that installed packages add by entry point, sorted."""
    return sorted({*_own(kind), *installed(kind.group)})


def build(kind: PluginKind[Callable[..., Built]], name: str, *args: object) -> Built:
    """Load the plug-in `name`, and call it with these arguments.

    Raises `PluginError` if that is not possible. A `ValueError` about the arguments, such as a wrong option, is passed
    on as it is.
    """
    make = load(kind, name)
    try:
        built = make(*args)
        missing = [member for member in kind.members if not hasattr(built, member)]
    except Exception as error:  # a plug-in can raise anything
        if args and isinstance(error, ValueError):
            raise
        failure = f"building it failed: {_one_line(error)}: define {kind.signature}"
        raise PluginError(f"{kind.title} {name!r}: {failure}") from error
    if missing:
        what = type(built).__qualname__
        raise PluginError(f"{kind.title} {name!r}: {what} has no {', '.join(missing)}: define {kind.signature}")
    return built


def load(kind: PluginKind[Build], name: str) -> Build:
    """The callable of the plug-in `name`. Raises `PluginError` if it cannot be found."""
    path = _path(kind, name)
    module_name, _, attribute = path.partition(":")
    shown = f"{kind.title} {name!r}" if path == name else f"{kind.title} {name!r} ({path})"
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        hint = "install its package or add its folder to PYTHONPATH"
        raise PluginError(f"{shown}: there is no module {error.name!r}: {hint}") from error
    except (Exception, SystemExit) as error:  # a plug-in's module can do anything when it is imported
        raise PluginError(f"{shown}: its module cannot be imported: {_one_line(error)}") from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise PluginError(f"{shown}: {attribute!r} is not a function there: define {kind.signature}")
    return cast("Build", found)


@cache
def installed(group: str | None) -> Mapping[str, str]:
    """The plug-ins that installed packages add to `group`: names and import paths. Looked up once in a process.

    An entry point that is no import path is left out, because any installed package could have one.
    """
    points = [] if group is None else entry_points(group=group)
    return {point.name: f"{point.module}:{point.attr}" for point in points if point.pattern.match(point.value)}


def _own(kind: PluginKind[Any]) -> list[str]:
    return [module.name.replace("_", "-") for module in iter_modules(import_module(kind.package).__path__)]


def _path(kind: PluginKind[Any], name: str) -> str:
    """Where the plug-in is, as `module:attribute`."""
    if ":" in name:
        module, _, attribute = name.partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
            raise PluginError(f"{name!r} is not an import path: write it as my_package.my_module:build")
        return name
    if name in _own(kind):
        return f"{kind.package}.{name.replace('-', '_')}:{kind.attribute}"
    if name in installed(kind.group):
        return installed(kind.group)[name]
    names = available(kind)
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else choice(kind, name, names)
    raise PluginError(f"there is no {kind.title} {name!r}: {hint}")


def choice(kind: PluginKind[Any], name: str, names: Sequence[str]) -> str:
    """What to write instead of `name`: one of `names`, or an import path."""
    hint = f"choose one of {', '.join(names)}"
    if kind.group is None:
        return hint
    module, _, attribute = name.rpartition(".")
    path = f"{module}:{attribute}" if module else f"{name}:{kind.attribute}"
    shown = path if all(part.isidentifier() for part in path.replace(":", ".").split(".")) else "my_module:build"
    return f"{hint}; or write an import path with a colon, {shown}"


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
