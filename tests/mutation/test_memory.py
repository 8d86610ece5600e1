from pathlib import Path

from tests.mutation.memory import Memory
from tests.mutation.sites import mutants_of
from tests.mutation.trial import Verdict


def test_what_tests_have_noticed_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.json"
    killed, survived = mutants_of("x = 1\ny = 2\n")
    memory = Memory(file)
    assert memory.recall(killed) is None
    memory.note(killed, Verdict.KILLED)
    memory.note(survived, Verdict.SURVIVED)
    later = Memory(file)
    assert (later.recall(killed), later.recall(survived)) == (Verdict.KILLED, None)
    changed, _ = mutants_of("x = 1\ny = 3\n")
    assert changed.key == killed.key
    assert later.recall(changed) is None
    assert Memory(file, again=True).recall(killed) is None
