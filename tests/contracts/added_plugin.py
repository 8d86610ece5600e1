"""Plug-ins that exist for one test."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

from concur_proxy import plugins


@contextmanager
def added_plugin(package: str, name: str, source: str, folder: Path) -> Iterator[None]:
    """`package` has one more module, `name`. Its file is in `folder`."""
    (folder / f"{name}.py").write_text(source)
    paths: list[str] = import_module(package).__path__  # type: ignore[assignment]
    paths.append(str(folder))
    invalidate_caches()
    try:
        yield
    finally:
        paths.remove(str(folder))
        sys.modules.pop(f"{package}.{name}", None)


@contextmanager
def installed_plugin(folder: Path, kind: plugins.PluginKind[Any], name: str, path: str) -> Iterator[None]:
    """A package installed in `folder`, which is on the import path, has the entry point `name = path` for this kind."""
    info = folder / f"{name.replace('-', '_')}_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{kind.group}]\n{name} = {path}\n")
    _look_again()
    try:
        yield
    finally:
        for file in info.iterdir():
            file.unlink()
        info.rmdir()
        _look_again()


def _look_again() -> None:
    invalidate_caches()
    plugins.installed.cache_clear()
