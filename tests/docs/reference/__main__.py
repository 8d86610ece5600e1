"""Writes the reference and the chart's generated files, or prints which are out of date with `--check`."""

import sys
from pathlib import Path

from tests.docs.reference.pages import WRITTEN


def main(arguments: list[str]) -> int:
    """Write every file; returns 1 if `--check` found one that differs."""
    outdated = []
    for path, write in WRITTEN.items():
        text = write()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            outdated.append(path)
            if "--check" not in arguments:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for path in outdated:
        print(Path(path).relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    return 1 if outdated and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
