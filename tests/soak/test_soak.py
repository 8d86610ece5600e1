"""A short soak: as many of three faults as there is time for."""

import pytest

from tests.soak import main

FAULTS = ("kill -9 of the leader", "absurd usage", "Redis frozen")


def test_a_short_soak_holds_everything(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--minutes", "0.2", "--agents", "24", *(f"--only={fault}" for fault in FAULTS)])

    printed = capsys.readouterr().out
    assert f"| {FAULTS[0]} |" in printed
    assert "| no (" not in printed
