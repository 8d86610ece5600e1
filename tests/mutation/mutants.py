"""Do the tests of the pure rooms notice small faults?

Each mutant is the code with one small fault: another comparison, arithmetic or boolean operator, a negated condition,
another number or truth value, or a statement left out. A mutant is *killed* if a test of its room fails, and *timed
out*, which counts as killed, if the tests need much more CPU time than without the fault. One that *survives* shows a
fault that no test notices, or code that does the same either way. The mutants are drawn at random, with a seed.
"""

import argparse
import random
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.memory import Memory
from tests.mutation.sites import Mutant, mutants_of
from tests.mutation.trial import ROOT, Verdict, related_tests, try_mutant

EXPLAINED = Path(__file__).with_name("explained.toml")
"""Why a survivor needs no test, by file and mutant."""
MEMORY = ROOT / ".mutants.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Files that are mutated, and the folders and files of the tests that must notice it. Paths are relative to the
    repository.
    """

    files: tuple[str, ...]
    tests: tuple[str, ...]


SUBJECTS = {
    "gate": Subject(files=("concur_proxy/admission/gate*.py",), tests=("tests/admission",)),
    "orders": Subject(files=("concur_proxy/admission/orders/*.py",), tests=("tests/admission",)),
    "tree": Subject(
        files=tuple(
            f"concur_proxy/recognition/{name}.py"
            for name in ("tree", "tree_view", "node", "member", "search", "unions")
        ),
        tests=("tests/recognition", "tests/admission/test_handover.py"),
    ),
    "laws": Subject(
        files=(
            "concur_proxy/control/laws/*.py",
            "concur_proxy/control/round.py",
            "concur_proxy/control/second_cache.py",
        ),
        tests=("tests/control",),
    ),
}


def paths(subject: Subject) -> list[Path]:
    """The subject's files, sorted, relative to the repository."""
    return sorted(path.relative_to(ROOT) for pattern in subject.files for path in ROOT.glob(pattern))


def sample(subject: Subject, number: int, seed: int) -> dict[Path, list[Mutant]]:
    """Up to this number of the subject's mutants, by file."""
    every = [(path, mutant) for path in paths(subject) for mutant in mutants_of((ROOT / path).read_text())]
    drawn = random.Random(seed).sample(range(len(every)), min(number, len(every)))
    found: dict[Path, list[Mutant]] = {}
    for path, mutant in (every[index] for index in sorted(drawn)):
        found.setdefault(path, []).append(mutant)
    return found


def explanations() -> dict[str, dict[str, str]]:
    """By file, then by the mutant's key."""
    return tomllib.loads(EXPLAINED.read_text())


def run_subject(name: str, number: int, seed: int, explained: Mapping[str, Mapping[str, str]], memory: Memory) -> int:
    """Try a sample of the subject's mutants and print a table and the survivors. Returns how many of them have no
    explanation.
    """
    subject = SUBJECTS[name]
    rows, survivors, unexplained = list[str](), list[str](), 0
    total = Counter[Verdict]()
    for path, mutants in sample(subject, number, seed).items():
        limits = None
        counts = Counter[Verdict]()
        for mutant in mutants:
            verdict = memory.recall(mutant)
            if verdict is None:
                limits = limits or _limits(path, related_tests(path, map(Path, subject.tests)))
                verdict = _verdict(path, mutant, limits)
                memory.note(mutant, verdict)
            counts[verdict] += 1
            print(f"{verdict.value:10} {path}:{mutant.line} {mutant.key}", file=sys.stderr, flush=True)
            if verdict is Verdict.SURVIVED:
                reason = explained.get(str(path), {}).get(mutant.key)
                unexplained += reason is None
                place = f"{path.relative_to('concur_proxy')}:{mutant.line}"
                survivors.append(f"- {place}: `{mutant.key}`: {reason or '**not explained**'}")
        rows.append(_row(str(path.relative_to("concur_proxy")), counts))
        total += counts
    rows.append(_row("**all**", total))
    print(f"\n## {name.capitalize()}\n", "| File | Mutants | Killed | Survived | Timed out |", sep="\n")
    print("| --- | --- | --- | --- | --- |", *rows, sep="\n")
    if survivors:
        print("\nSurvivors:\n", *survivors, sep="\n", flush=True)
    return unexplained


def _limits(path: Path, parts: Sequence[Sequence[Path]]) -> list[tuple[Sequence[Path], float]]:
    """Each part of the tests, and the seconds of CPU time after which a mutant has timed out there."""
    source, limits = (ROOT / path).read_text(), list[tuple[Sequence[Path], float]]()
    for tests in parts:
        verdict, seconds = try_mutant(path, source, tests, cpu_s=300)
        if verdict is not Verdict.SURVIVED:
            raise SystemExit(f"these tests fail or take too long without a fault: {' '.join(map(str, tests))}")
        limits.append((tests, 3 * seconds + 1))
    return limits


def _verdict(path: Path, mutant: Mutant, limits: Sequence[tuple[Sequence[Path], float]]) -> Verdict:
    for tests, cpu_s in limits:
        verdict, _ = try_mutant(path, mutant.source, tests, cpu_s=cpu_s)
        if verdict is not Verdict.SURVIVED:
            return verdict
    return Verdict.SURVIVED


def _row(name: str, counts: Mapping[Verdict, int]) -> str:
    return f"| {name} | {sum(counts.values())} | {' | '.join(str(counts.get(verdict, 0)) for verdict in Verdict)} |"


def main(arguments: Sequence[str]) -> int:
    """Run the subjects that the command line names. The status is 1 if a survivor has no explanation."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"default: all of {', '.join(SUBJECTS)}")
    parser.add_argument("--sample", type=int, default=60, help="mutants of each subject (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="which ones are drawn (default: 1)")
    parser.add_argument("--again", action="store_true", help="also try mutants that were killed in an earlier run")
    given = parser.parse_args(arguments)
    if unknown := set(given.subjects) - set(SUBJECTS):
        parser.error(f"unknown subject {min(unknown)}")
    explained, memory = explanations(), Memory(MEMORY, again=given.again)
    unexplained = [
        run_subject(name, given.sample, given.seed, explained, memory) for name in given.subjects or SUBJECTS
    ]
    return int(any(unexplained))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
