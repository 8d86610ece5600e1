"""Replays the corpus, and counts the steps that hostile input costs. `python -m tests.fuzz` looks for more."""

from pathlib import Path

import pytest

from tests.fuzz.budget import CASES, steps
from tests.fuzz.targets import CORPUS, MAX_BYTES, TARGETS, corpus

KEPT = [(name, path) for name in TARGETS for path in corpus(name)]


@pytest.mark.parametrize(("name", "path"), KEPT, ids=[f"{name}-{path.name}" for name, path in KEPT])
def test_the_corpus_breaks_no_promise(name: str, path: Path) -> None:
    TARGETS[name](path.read_bytes())


def test_every_target_has_a_small_corpus() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(path.stat().st_size <= 2 * MAX_BYTES for _, path in KEPT)
    assert sum(path.stat().st_size for _, path in KEPT) < 1_000_000


@pytest.mark.parametrize("name", CASES)
def test_the_steps_of_a_reader_grow_no_faster_than_its_input(name: str) -> None:
    read, make = CASES[name]
    small, large = make(80_000), make(240_000)
    assert steps(read, large) <= 1.5 * len(large) / len(small) * steps(read, small) + 500
