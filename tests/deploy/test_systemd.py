"""The systemd unit, checked by systemd."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from concur_proxy.settings.gateway import GatewaySettings

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "concur-proxy.service"
PROGRAM = "/opt/concur-proxy/bin/concur-proxy"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_it(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(PROGRAM, str(Path(sys.executable).with_name("concur-proxy"))))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    # without complaints about units of other packages
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    complaints = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert not complaints


def test_the_drain_ends_before_systemd_kills() -> None:
    fields = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#")
    assert float(fields["TimeoutStopSec"]) > GatewaySettings.model_fields["drain_timeout_s"].default
    assert fields["ExecStart"].startswith(f"{PROGRAM} serve ")
