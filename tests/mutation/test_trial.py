"""What the tests make of a mutant. The trials run in their own process, as they do for the command."""

import subprocess
import sys
from pathlib import Path

import pytest

from concur_proxy.control.laws import static
from tests.mutation.trial import ROOT, related_tests, try_mutant

FILE = "concur_proxy/control/laws/static.py"
TRY = """
import sys
from pathlib import Path
from tests.mutation.trial import ROOT, try_mutant

file, *faults = sys.argv[1:]
source = (ROOT / file).read_text()
for fault in faults:
    before, after = fault.split(" -> ")
    assert before in source
    mutated = source.replace(before, after)
    verdict, _ = try_mutant(Path(file), mutated, [Path("tests/control/laws/test_static.py")], cpu_s=1)
    print(fault, verdict.value, sep=": ")
"""
VERDICTS = {
    "the law -> the law": "survived",
    "window: float = 8.0 -> window: float = 9.0": "killed",
    "from dataclasses import -> from nowhere import": "killed",
    "        self.window = options.window ->         while True: pass": "timed out",
}


def test_a_trial_runs_the_tests_with_the_fault() -> None:
    command = [sys.executable, "-c", TRY, FILE, *VERDICTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert dict(line.rsplit(": ", 1) for line in done.stdout.splitlines()) == VERDICTS


def test_the_tests_of_the_same_name_come_first() -> None:
    places = [Path("tests/contracts/test_orders.py"), Path("tests/admission")]
    own, contract, others = related_tests(Path("concur_proxy/admission/orders/resuming_first.py"), places)
    assert own == [Path("tests/admission/orders/test_resuming_first.py")]
    assert contract == places[:1]
    assert Path("tests/admission/test_lease.py") in others
    assert not set(own) & set(others)


def test_a_module_that_is_imported_already_cannot_be_tried() -> None:
    with pytest.raises(ValueError, match="imported already"):
        try_mutant(Path(static.__name__.replace(".", "/") + ".py"), "", [], cpu_s=1)
