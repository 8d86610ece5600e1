"""The parts of a release that a program can do; .github/RELEASING.md is the whole procedure.

python3 -m tests.deploy.release check [TAG]     versions agree; with a tag, it is theirs and the changelog has it
python3 -m tests.deploy.release set VERSION     write the version, and the heading of the changelog
python3 -m tests.deploy.release notes           print what the changelog says about the version
python3 -m tests.deploy.release build FOLDER     write wheels and sdists; needs hatchling
python3 -m tests.deploy.release chart FOLDER --image NAME --digest sha256:...
                                                copy the chart, with an image as its default

The others need no package besides Python.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHART = Path("deploy/helm/concur-proxy")
CHANGELOG = Path(".github/CHANGELOG.md")
VERSION = r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9a-z.]+)?"
IN_PROJECT = rf'(?m)^(version = ")({VERSION})(")$'
PLACES = (
    (CHART / "Chart.yaml", rf"(?m)^(version: )({VERSION})()$"),
    (CHART / "Chart.yaml", rf"(?m)^(appVersion: )({VERSION})()$"),
    (Path("docker-compose.yml"), rf"(?m)^(  image: concur-proxy:)({VERSION})()$"),
)
"""Where the version is besides the Python packages: file, and what is before, in and after it."""


class Wrong(Exception):  # noqa: N818 - says what is wrong
    """The release cannot go on."""


def projects(root: Path) -> list[Path]:
    """The files of the Python packages that are published: the gateway's, and those of its parts that are one too."""
    return [
        Path("pyproject.toml"),
        *(path.relative_to(root) for path in sorted(root.glob("concur_proxy/*/pyproject.toml"))),
    ]


def places(root: Path) -> list[tuple[Path, str]]:
    """Each file with the version, and a pattern: what is before, in and after it."""
    return [*((path, IN_PROJECT) for path in projects(root)), *PLACES]


def versions(root: Path) -> dict[str, str]:
    """The version at each place."""
    found = {}
    for path, pattern in places(root):
        match = re.search(pattern, (root / path).read_text())
        if match is None:
            raise Wrong(f"{path} has no version as {pattern}")
        found[f"{path}: {match[1].strip()}"] = match[2]
    return found


def version(root: Path) -> str:
    """The version. Raises `Wrong` if two places differ."""
    found = versions(root)
    if len(set(found.values())) != 1:
        raise Wrong("versions differ: " + ", ".join(f"{place} {each}" for place, each in found.items()))
    return next(iter(found.values()))


def notes(root: Path) -> str:
    """What the changelog says about the version. Raises `Wrong` if it says nothing."""
    wanted = version(root)
    _, heading, rest = (root / CHANGELOG).read_text().partition(f"\n## [{wanted}] - ")
    text = rest.partition("\n")[2].partition("\n## [")[0].strip()
    if not heading or not text:
        raise Wrong(f"{CHANGELOG} says nothing about {wanted}")
    return text + "\n"


def check(root: Path, tag: str | None) -> str:
    """A line that says that all is well. Raises `Wrong` if not."""
    found = version(root)
    if tag is not None:
        if tag != f"v{found}":
            raise Wrong(f"the tag {tag} is not v{found}")
        notes(root)
    return f"{found}: all places agree"


def set_version(root: Path, new: str, today: str) -> None:
    """Write the version to all places, and begin a new "Unreleased" in the changelog."""
    if not re.fullmatch(VERSION, new):
        raise Wrong(f"{new} is not a version, such as 0.2.0 or 1.0.0-rc.1")
    for path, pattern in places(root):
        text = (root / path).read_text()
        (root / path).write_text(re.sub(pattern, rf"\g<1>{new}\g<3>", text))
    changes, heading = (root / CHANGELOG).read_text(), "\n## [Unreleased]\n"
    if heading not in changes:
        raise Wrong(f"{CHANGELOG} has no section Unreleased")
    (root / CHANGELOG).write_text(changes.replace(heading, f"{heading}\n## [{new}] - {today}\n", 1))


def build(root: Path, folder: Path) -> None:
    """Write the wheel and the sdist of each Python package to the folder. Needs hatchling."""
    for project in projects(root):
        command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder.resolve())]
        subprocess.run(command, cwd=(root / project).parent, check=True)


def copy_chart(root: Path, folder: Path, image: str, digest: str) -> None:
    """Copy the chart; by default the copy takes this image by its digest."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise Wrong(f"{digest or 'nothing'} is not a digest, sha256: and 64 digits")
    shutil.copytree(root / CHART, folder)
    values = folder / "values.yaml"
    text = values.read_text()
    for name, value in (("repository", image), ("digest", digest)):
        text, count = re.subn(rf"(?m)^(  {name}: )\S+", rf"\g<1>{value}", text)
        if count != 1:
            raise Wrong(f"{CHART}/values.yaml has {count} lines with {name} for the image")
    values.write_text(text)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.deploy.release", description="Parts of a release")
    commands = parser.add_subparsers(dest="command", required=True)
    checks = commands.add_parser("check", help="whether all versions agree, also with a tag and the changelog")
    checks.add_argument("tag", nargs="?")
    sets = commands.add_parser("set", help="write the version, and the heading of the changelog")
    sets.add_argument("version")
    commands.add_parser("notes", help="print what the changelog says about the version")
    builds = commands.add_parser("build", help="write wheels and sdists; needs hatchling")
    builds.add_argument("folder", type=Path)
    copies = commands.add_parser("chart", help="copy the chart, with an image as its default")
    copies.add_argument("folder", type=Path)
    copies.add_argument("--image", required=True)
    copies.add_argument("--digest", required=True)
    given = parser.parse_args(arguments)
    try:
        if given.command == "check":
            print(check(root, given.tag))
        elif given.command == "set":
            set_version(root, given.version, datetime.now(UTC).date().isoformat())
        elif given.command == "notes":
            print(notes(root), end="")
        elif given.command == "build":
            build(root, given.folder)
        else:
            copy_chart(root, given.folder, given.image, given.digest)
    except Wrong as problem:
        print(f"release: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
