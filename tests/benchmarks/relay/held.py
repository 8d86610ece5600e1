"""What thousands of requests that wait cost a proxy in memory, and what they leave behind."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SETTLED_S = 0.5
AFTER_S = 15.0
"""Seconds between the end of the clients and the last reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Resident memory of a proxy, in MB."""

    requests: int
    failed: int
    before: float
    during: float
    after: float

    @property
    def each_kb(self) -> float:
        """Memory for each request, in kB."""
        return 1000 * (self.during - self.before) / self.requests

    def line(self, name: str) -> str:
        """A row of the Markdown table."""
        failed = f" ({self.failed:,} failed)" if self.failed else ""
        return (
            f"| {name} | {self.each_kb:.1f}{failed} | {self.before:.0f} | {self.during:.0f} | {self.after:.0f} "
            f"| {self.after / self.before:.2f} |"
        )


HELD_HEAD = """\
| proxy | kB for each | MB before | MB with them | MB 15 s after they left | after / before |
| --- | ---: | ---: | ---: | ---: | ---: |"""


def resident_mb(pids: Sequence[int]) -> float:
    """Resident memory of the processes together."""
    status = (Path(f"/proc/{pid}/status").read_text().splitlines() for pid in pids)
    return sum(int(line.split()[1]) for lines in status for line in lines if line.startswith("VmRSS")) / 1000


def _settled(read: Callable[[], float], limit_s: float = 20.0) -> float:
    """The reading, once it has not changed by 1 % for a while."""
    deadline, last = time.monotonic() + limit_s, read()
    while time.monotonic() < deadline:
        time.sleep(SETTLED_S)
        if abs((now := read()) - last) < 0.01 * last:
            return now
        last = now
    return last


@contextmanager
def waiting(program: Path, *, port: int, requests: int, warm_ms: int) -> Iterator["subprocess.Popen[str]"]:
    """Clients whose requests have all been sent, at the start of the block, and get no answer. They leave when they
    read "end", and then say how many failed.
    """
    command = [str(program), str(port), f"connections={requests}", "pace=9999", "hold=1", f"warm={warm_ms}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
        assert clients.stdout is not None
        clients.stdout.readline()
        yield clients


def held(program: Path, *, port: int, pids: Sequence[int], requests: int) -> Held:
    """Send requests that the engine never answers, wait until all are there, then let all clients leave."""
    subprocess.run([program, str(port), "ms=1000"], check=True, stdout=subprocess.DEVNULL)
    before = _settled(lambda: resident_mb(pids))
    with waiting(program, port=port, requests=requests, warm_ms=1000) as clients:
        during = _settled(lambda: resident_mb(pids))
        failed = json.loads(clients.communicate("end\n")[0])["failures"]
    time.sleep(AFTER_S)
    return Held(requests=requests, failed=failed, before=before, during=during, after=resident_mb(pids))
