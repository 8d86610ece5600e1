"""A short soak: three faults in half a minute."""

import pytest

from tests.soak import main


def test_a_short_soak_holds_everything(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--minutes", "0.3", "--agents", "24", "--only", "of the leader", "--only", "Redis frozen", "--only", "usage"])

    printed = capsys.readouterr().out
    for fault in ("kill -9 of the leader", "Redis frozen", "absurd usage"):
        assert f"| {fault} |" in printed
    assert "| no |" not in printed
