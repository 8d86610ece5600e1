"""Writes the reference, or prints which pages are out of date with `--check`."""

import sys
from pathlib import Path

from tests.docs.reference.pages import FOLDER, PAGES


def main(arguments: list[str]) -> int:
    """Write every page; returns 1 if `--check` found one that differs."""
    outdated = []
    for name, write in PAGES.items():
        path, text = FOLDER / name, write()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            outdated.append(path)
            if "--check" not in arguments:
                path.write_text(text, encoding="utf-8")
    for path in outdated:
        print(Path(path).relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    return 1 if outdated and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
