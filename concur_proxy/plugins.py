"""Parts chosen by name: a plug-in is one module in a package, and its name is the module's, with hyphens for its
underscores.
"""

from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

LAWS = "concur_proxy.control.laws"
PLACEMENTS = "concur_proxy.admission.placements"
STORES = "concur_proxy.coordination.backends"
DIALECTS = "concur_proxy.engines.dialects"


def available(package: str) -> list[str]:
    """The names that `package` offers, sorted."""
    return sorted(module.name.replace("_", "-") for module in iter_modules(import_module(package).__path__))


def load(package: str, name: str) -> ModuleType:
    """The module `name` of `package`; `ValueError` with the choices when there is none."""
    names = available(package)
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(names)}"
        raise ValueError(f"there is no {name!r}: {hint}")
    return import_module(f"{package}.{name.replace('-', '_')}")
