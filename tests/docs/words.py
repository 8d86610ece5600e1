"""Checks texts for people against the word list, in the whole repository or in the given files and folders:

python -m tests.docs.words [PATH...]
"""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.prose import OTHER_TEXT, passages

REPOSITORY = Path(__file__).resolve().parents[2]
_LIST = Path(__file__).with_name("words.toml")
_SENTENCE_START = r"(?:\A|(?<=[.!?]\s)|(?<=\n\n)|(?<=^- )|(?<=^\* )|(?<=\| ))\s*"
_NOT_OURS = (
    "LICENSE",
    "requirements.lock",
    "tests/requirements.lock",
    "tests/docs/words.toml",
    ".gitignore",
    ".dockerignore",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A phrase to avoid, and the advice for the writer."""

    pattern: re.Pattern[str]
    write: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A phrase from the word list in a file of the repository."""

    path: str
    line: int
    phrase: str
    write: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.phrase!r} -> {self.write}"


def read_rules() -> list[Rule]:
    """Reads the word list."""
    return [_rule(**entry) for entry in tomllib.loads(_LIST.read_text(encoding="utf-8"))["rule"]]


def _rule(*, pattern: str, write: str) -> Rule:
    starts_sentence = pattern.startswith("START")
    words = pattern.removeprefix("START").replace(" )", r"\s)").replace(" ", r"\s+")
    front = _SENTENCE_START if starts_sentence else r"(?<![\w-])"
    return Rule(pattern=re.compile(f"{front}(?:{words})(?![\\w-])", re.IGNORECASE | re.MULTILINE), write=write)


def check(files: Iterable[Path], *, rules: list[Rule]) -> Iterator[Finding]:
    """Yields every phrase of the list in the texts of the files, file by file in the order of lines."""
    for path in files:
        found = [
            Finding(
                path=path.relative_to(REPOSITORY).as_posix(),
                line=passage.line + passage.text.count("\n", 0, match.start()),
                phrase=" ".join(match.group().split()),
                write=rule.write,
            )
            for passage in passages(path)
            for rule in rules
            for match in rule.pattern.finditer(passage.text)
        ]
        yield from sorted(found, key=lambda finding: finding.line)


def texts_of_repository() -> list[Path]:
    """Lists the files of the repository that hold text for people: those under version control, and new ones."""
    return [REPOSITORY / name for name in sorted(_names()) if _is_text(name) and (REPOSITORY / name).is_file()]


def _names() -> set[str]:
    """All file names relative to the repository; in a copy without version control, all except hidden folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        names = (path.relative_to(REPOSITORY) for path in REPOSITORY.rglob("*"))
        return {name.as_posix() for name in names if name.parts[0] == ".github" or not name.parts[0].startswith(".")}
    return set(done.stdout.splitlines())


def _is_text(name: str) -> bool:
    if name in _NOT_OURS or name.startswith(("tests/captures/", "tests/fuzz/corpus/")):
        return False
    suffix = Path(name).suffix
    return suffix in {".py", ".md", ""} or suffix in OTHER_TEXT


def room(path: str) -> str:
    """The part of the repository that a file belongs to, such as `concur_proxy/relay` or `deploy/helm`."""
    parts = path.split("/")
    return "/".join(parts[: min(2, len(parts) - 1)]) if len(parts) > 1 else path


def main(arguments: list[str]) -> int:
    """Prints the findings and how many there are in each room; returns 1 if there are any."""
    chosen = [Path(argument).resolve() for argument in arguments]
    files = [path for path in texts_of_repository() if not chosen or any(path.is_relative_to(one) for one in chosen)]
    findings = list(check(files, rules=read_rules()))
    for finding in findings:
        print(finding)
    for name, count in sorted(Counter(room(finding.path) for finding in findings).items()):
        print(f"{count:6} {name}", file=sys.stderr)
    print(f"{len(findings):6} in {len(files)} files", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
