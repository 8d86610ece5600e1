"""The supply chain of the gateway:

python -m tests.supply bill [FOLDER]     write sbom.json (CycloneDX) and licences.md; default folder: dist
python -m tests.supply audit [--source]  look up known vulnerabilities; exit status 2 if no database answers
python -m tests.supply images            warn about images that are not pinned by digest
"""

import argparse
import json
import sys
from pathlib import Path

from tests.supply import audit, bill, images

LOCKS = ("requirements.lock", "tests/requirements.lock")


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog="python -m tests.supply", description="The supply chain of the gateway")
    commands = parser.add_subparsers(dest="command", required=True)
    writes = commands.add_parser("bill", help="write sbom.json (CycloneDX) and licences.md")
    writes.add_argument("folder", nargs="?", default="dist", type=Path)
    asks = commands.add_parser("audit", help="look up known vulnerabilities; exit status 2 if no database answers")
    asks.add_argument("--source", choices=["osv", "pypi"], default="osv", help="the database (default: osv)")
    commands.add_parser("images", help="warn about images that are not pinned by digest")
    options = parser.parse_args(arguments)
    if options.command == "bill":
        return write(options.folder)
    if options.command == "audit":
        return max(audit.audit(lock, options.source) for lock in LOCKS)
    for line in images.warnings():
        print(f"warning: {line}")
    return 0


def write(folder: Path) -> int:
    """Write the bill of materials and the list of licences."""
    described = bill.build()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sbom.json").write_text(json.dumps(described, indent=2, sort_keys=True) + "\n")
    (folder / "licences.md").write_text(bill.table(described))
    print(f"{folder / 'sbom.json'}, {folder / 'licences.md'}: {len(described['components'])} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
