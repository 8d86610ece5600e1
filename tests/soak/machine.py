"""What a soak changes about the machine as the gateways see it, without root: their host names, and their clock.

All processes end with the soak, even if it is killed.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ENDS_WITH_SOAK = ("setpriv", "--pdeathsig", "KILL")
"""Runs a command that is killed when the soak ends in any way."""
ENGINE_NAME = "engines.soak.test"
"""A name that only the gateways can resolve."""
GOOD, STALE = "127.0.0.1", "127.0.0.77"
"""An address at which the engine listens, and one at which nothing does."""
FAKETIME = "/usr/$LIB/faketime/libfaketimeMT.so.1"
"""libfaketime, which stands between a process and the clock. The loader replaces `$LIB`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Files that a fault changes. None: it is not possible here, and the fault is left out."""

    hosts: Path | None
    """Mounted over `/etc/hosts` for the gateways, which have a mount namespace of their own."""
    clock: Path | None
    """How far the gateways' time of day is from the true one, as `+3600` seconds. libfaketime reads it every second."""

    @property
    def launcher(self) -> list[str]:
        """Runs a gateway."""
        command = [] if self.hosts is None else _with_hosts(self.hosts)
        command += ENDS_WITH_SOAK
        if self.clock is not None:
            command += [
                *("env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={self.clock}"),
                *("FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"),
            ]
        return command

    def resolve(self, *addresses: str) -> None:
        """Let the engine's name have these addresses, or none."""
        assert self.hosts is not None
        lines = [f"{address} {ENGINE_NAME}" for address in addresses]
        self.hosts.write_text("\n".join(["127.0.0.1 localhost", *lines]) + "\n")

    def shift(self, seconds: int) -> None:
        """Let the gateways' clock be this far from the true time."""
        assert self.clock is not None
        new = self.clock.with_name("clock-new")  # libfaketime must not read an empty file
        new.write_text(f"{seconds:+d}\n")
        new.replace(self.clock)

    @property
    def lacks(self) -> list[str]:
        """What cannot be made here, for the record."""
        missing = []
        if self.hosts is None:
            missing.append("No DNS flap: `unshare --user --mount` is not allowed here.")
        if self.clock is None:
            missing.append("No clock jump: libfaketime is not installed here.")
        return missing


def machine(folder: Path) -> Machine:
    """Find out what is possible here. The files are made in this folder."""
    hosts, clock = folder / "hosts", folder / "clock"
    hosts.write_text(f"{GOOD} localhost {ENGINE_NAME}\n")
    clock.write_text("+0\n")
    has_hosts = _works([*_with_hosts(hosts), "getent", "hosts", ENGINE_NAME], ENGINE_NAME)
    now = ["env", f"LD_PRELOAD={FAKETIME}", "FAKETIME=@2000-01-01 00:00:00", "date", "+%Y"]
    has_clock = _works(now, "2000")
    return Machine(hosts=hosts if has_hosts else None, clock=clock if has_clock else None)


def _with_hosts(hosts: Path) -> list[str]:
    """Runs a command for which this file is `/etc/hosts`. The process remains the same."""
    mount = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(hosts)]


def _works(command: Sequence[str], printed: str) -> bool:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and printed in done.stdout
