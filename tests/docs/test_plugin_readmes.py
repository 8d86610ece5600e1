"""Each folder of plug-ins has a README with a row for every plug-in in it."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from concur_proxy import plugins

KINDS = [kind for kind in vars(plugins).values() if isinstance(kind, plugins.PluginKind) and kind.group is not None]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_the_readme_has_a_row_for_every_plugin(kind: "plugins.PluginKind[Any]") -> None:
    folder = Path(next(iter(import_module(kind.package).__path__)))
    own = {path.stem.replace("_", "-") for path in folder.iterdir() if path.stem.isidentifier() and path.name[0] != "_"}
    own -= {"README"}

    rows = re.findall(r"^\| `([\w-]+)` \|", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(rows) == sorted(own)
