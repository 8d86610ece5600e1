"""Runs tests against a mutant, in a child of this process. No file is changed: the child imports the mutant instead of
the module.
"""

import os
import resource
import signal
import sys
from collections.abc import Iterable, Sequence
from enum import Enum
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import hypothesis
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "concur_proxy"
PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout")
"""The plugins that the settings in pyproject.toml need. Others are not loaded, because they take seconds."""
MEMORY = 8 << 30
"""Bytes of address space of a child: a fault can make a list grow without end."""


class Verdict(Enum):
    """What the tests made of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMED_OUT = "timed out"


def related_tests(file: Path, places: Iterable[Path]) -> list[list[Path]]:
    """The test files at these places, which are files and folders, relative to the repository. First those that have
    the first word of the file's name, then the others place by place.
    """
    word, parts = file.stem.split("_")[0], list[list[Path]]([[]])
    for place in places:
        tests = (
            [place] if place.suffix else sorted(test.relative_to(ROOT) for test in (ROOT / place).rglob("test_*.py"))
        )
        parts[0] += [test for test in tests if word in test.stem]
        parts.append([test for test in tests if word not in test.stem])
    return [part for part in parts if part]


def try_mutant(file: Path, source: str, tests: Sequence[Path], *, cpu_s: float) -> tuple[Verdict, float]:
    """Run the tests until the first failure, with `source` as the text of `file`, in at most `cpu_s` seconds of CPU
    time. Returns the verdict, and the seconds of CPU time that it took.
    """
    mutated = _Mutated(file, source)
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _run(mutated, tests, cpu_s)
    _, status, used = os.wait4(child, 0)
    code, seconds = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return Verdict.TIMED_OUT, seconds
    return Verdict.SURVIVED if code == pytest.ExitCode.OK else Verdict.KILLED, seconds


def _run(mutated: MetaPathFinder, tests: Sequence[Path], cpu_s: float) -> None:
    code = 1
    try:
        os.chdir(ROOT)
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s) + 1, int(cpu_s) + 2))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        sys.meta_path.insert(0, mutated)
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        plugins = [f"-p{name}" for name in PLUGINS]
        # The same examples each time, and no limits of wall-clock time: a busy machine must not kill a mutant.
        checks = list(hypothesis.HealthCheck)
        hypothesis.settings.register_profile("mutants", derandomize=True, deadline=None, suppress_health_check=checks)
        hypothesis.settings.load_profile("mutants")
        with TemporaryDirectory() as examples:
            hypothesis.configuration.set_hypothesis_home_dir(examples)
            code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *plugins, *map(str, tests)])
    finally:
        os._exit(code)


class _Mutated(MetaPathFinder, Loader):
    """Imports one module of the package from another text."""

    def __init__(self, file: Path, source: str) -> None:
        self._file = ROOT / file
        self._name = ".".join(file.with_suffix("").parts)
        self._source = source
        if self._name in sys.modules:
            raise ValueError(f"{self._name} is imported already: the tests would not see the mutant")

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        return spec_from_file_location(fullname, self._file, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, self._file, "exec"), module.__dict__)  # noqa: S102 - the fault is the subject
