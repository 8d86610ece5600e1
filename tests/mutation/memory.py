"""Remembers the mutants that tests have noticed, so that a run can be continued, and a run after new tests tries only
what has survived.
"""

import json
from hashlib import sha256
from pathlib import Path

from tests.mutation.sites import Mutant
from tests.mutation.trial import Verdict


class Memory:
    """The verdicts of earlier runs. A change of the mutated file makes them void, a change of tests does not."""

    def __init__(self, file: Path, *, again: bool = False) -> None:
        """`file` keeps the verdicts. `again`: forget them."""
        self._file = file
        self._verdicts: dict[str, str] = {}
        if file.exists() and not again:
            self._verdicts = json.loads(file.read_text())

    def recall(self, mutant: Mutant) -> Verdict | None:
        """What killed or stopped the mutant in an earlier run, or None."""
        known = self._verdicts.get(_name(mutant))
        return None if known is None else Verdict(known)

    def note(self, mutant: Mutant, verdict: Verdict) -> None:
        """Remember the verdict, unless the mutant has survived."""
        if verdict is not Verdict.SURVIVED:
            self._verdicts[_name(mutant)] = verdict.value
            self._file.write_text(json.dumps(self._verdicts))


def _name(mutant: Mutant) -> str:
    return sha256(mutant.source.encode()).hexdigest()
