"""What gateways take for `/healthz`, compared with a plain server that runs on the same machine at the same time."""

import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.process import free_port

PLAIN = "plain"
NEAR_S = 0.5
"""An answer is compared with those of the plain server meanwhile, and in this time before and after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Times of answers in milliseconds."""

    asked_at: Sequence[float]
    """When each of the gateways' answers was asked for, in seconds of `time.monotonic`."""
    gateways: Sequence[float]
    plain: Sequence[float]
    excess: Sequence[float]
    """For each answer of a gateway: how much longer it took than the longest one of the plain server meanwhile."""


@contextmanager
def asked(file: Path, gateways: Mapping[str, int], *, launcher: Sequence[str]) -> Iterator[None]:
    """Ask these gateways, by name and port, and a plain server while the block runs. `launcher` is a command that runs
    another one.
    """
    port = free_port()
    servers = [f"{name}={number}" for name, number in {**gateways, PLAIN: port}.items()]
    with ExitStack() as stack:
        for module, arguments in (("plain_server", [str(port)]), ("asking", [str(file), *servers])):
            process = subprocess.Popen([*launcher, sys.executable, "-m", f"tests.soak.{module}", *arguments])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def health_of(lines: Iterable[str]) -> Health:
    """Read the file's lines."""
    gateways: list[tuple[float, float]] = []
    plain: list[tuple[float, float]] = []
    for line in lines:
        name, at, milliseconds = line.split()
        (plain if name == PLAIN else gateways).append((float(at), float(milliseconds)))
    ends = [_end(at, took) for at, took in plain]

    def of_machine(at: float, took: float) -> float:
        near = plain[bisect_left(ends, at - NEAR_S) : bisect_right(plain, (_end(at, took) + NEAR_S, 0.0))]
        return max((milliseconds for _, milliseconds in near), default=0.0)

    return Health(
        asked_at=[at for at, _ in gateways],
        gateways=[took for _, took in gateways],
        plain=[took for _, took in plain],
        excess=[max(0.0, took - of_machine(at, took)) for at, took in gateways],
    )


def within(milliseconds: Sequence[float], part: float) -> float:
    """The time within which this part of the answers came; 0 without any."""
    return sorted(milliseconds)[int(len(milliseconds) * part)] if milliseconds else 0.0


def summary(milliseconds: Sequence[float]) -> str:
    """The median, 99 % and longest of some answers."""
    if not milliseconds:
        return "no answer"
    late = sum(one > 100 for one in milliseconds) / len(milliseconds)
    return (
        f"median {within(milliseconds, 0.5):.0f} ms, 99 % within {within(milliseconds, 0.99):.0f} ms, "
        f"longest {max(milliseconds):.0f} ms; {100 * late:.2f} % took longer than 100 ms"
    )


def _end(at: float, milliseconds: float) -> float:
    return at + milliseconds / 1000
