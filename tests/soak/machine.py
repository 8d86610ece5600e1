"""What a soak changes about the machine without root: the host names that gateways see, and their and Redis's clock.

All processes end with the soak, even if it is killed.
"""

import struct
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ENDS_WITH_SOAK = ("setpriv", "--pdeathsig", "KILL")
"""Runs a command that is killed when the soak ends in any way."""
ENGINE_NAME = "engines.soak.test"
"""A name that only the gateways can resolve."""
GOOD, STALE = "127.0.0.1", "127.0.0.77"
"""An address at which the engine listens, and one at which nothing does."""
A_DECADE_S = 315_360_000
SOURCE = Path(__file__).with_name("clock.c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Files that a fault changes. None: it is not possible here, and the fault is left out."""

    hosts: Path | None
    """Mounted over `/etc/hosts` for the gateways, which have a mount namespace of their own."""
    clock: Path | None
    """How many seconds the time of day of gateways and Redis is ahead of the true one: 8 bytes."""

    @property
    def launcher(self) -> list[str]:
        """Runs Redis or a gateway. The process remains the same."""
        hosts = [] if self.hosts is None else _with_hosts(self.hosts)
        clock = [] if self.clock is None else _with_clock(self.clock)
        return [*hosts, *ENDS_WITH_SOAK, *clock]

    def resolve(self, *addresses: str) -> None:
        """Let the engine's name have these addresses, or none."""
        assert self.hosts is not None
        lines = [f"{address} {ENGINE_NAME}" for address in addresses]
        self.hosts.write_text("\n".join(["127.0.0.1 localhost", *lines]) + "\n")

    def shift(self, seconds: int) -> None:
        """Let the clock be this far ahead of the true time."""
        assert self.clock is not None
        with self.clock.open("r+b") as file:
            file.write(struct.pack("=q", seconds))

    @property
    def lacks(self) -> list[str]:
        """What cannot be made here, for the record."""
        missing = []
        if self.hosts is None:
            missing.append("No DNS flap: `unshare --user --mount` is not allowed here.")
        if self.clock is None:
            missing.append("No clock jump: it needs a C compiler.")
        return missing


def machine(folder: Path) -> Machine:
    """Find out what is possible here. The files are made in this folder."""
    hosts, clock = folder / "hosts", folder / "clock"
    hosts.write_text(f"{GOOD} localhost {ENGINE_NAME}\n")
    clock.write_bytes(struct.pack("=q", -A_DECADE_S))
    has_hosts = _prints(ENGINE_NAME, *_with_hosts(hosts), "getent", "hosts", ENGINE_NAME)
    build = ("cc", "-shared", "-fPIC", "-O2", "-o", str(clock.with_suffix(".so")), str(SOURCE))
    has_clock = _prints("", *build) and not _prints(str(datetime.now(UTC).year), *_with_clock(clock), "date", "+%Y")
    found = Machine(hosts=hosts if has_hosts else None, clock=clock if has_clock else None)
    if has_clock:
        found.shift(0)
    return found


def _with_hosts(hosts: Path) -> list[str]:
    """Runs a command for which this file is `/etc/hosts`. The process remains the same."""
    mount = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(hosts)]


def _with_clock(clock: Path) -> list[str]:
    """Runs a command that reads the time of day through `clock.c`."""
    return ["env", f"LD_PRELOAD={clock.with_suffix('.so')}", f"SOAK_CLOCK={clock}"]


def _prints(text: str, *command: str) -> bool:
    """Whether this command works here, and prints this."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and text in done.stdout
