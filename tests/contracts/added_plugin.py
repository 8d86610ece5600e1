"""A plug-in that exists for one test: one more file in a package, on disk elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from pathlib import Path


@contextmanager
def added_plugin(package: str, name: str, source: str, folder: Path) -> Iterator[None]:
    """`package` offers the module `name` with this source, and nothing else changes."""
    (folder / f"{name}.py").write_text(source)
    paths: list[str] = import_module(package).__path__  # type: ignore[assignment]
    paths.append(str(folder))
    invalidate_caches()
    try:
        yield
    finally:
        paths.remove(str(folder))
        sys.modules.pop(f"{package}.{name}", None)
