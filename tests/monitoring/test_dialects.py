from pathlib import Path

import pytest

from concur_proxy.monitoring.dialects import KnownDialects

CAPTURES = Path(__file__).parents[1] / "captures"


@pytest.mark.parametrize(("file", "name"), [("vllm-0.32.0.prom", "vllm"), ("sglang-0.5.23.prom", "sglang")])
def test_an_engines_metrics_are_known_by_their_names(file: str, name: str) -> None:
    dialect, exposition = KnownDialects().read((CAPTURES / file).read_text())
    assert dialect is not None
    assert dialect.name == name
    assert dialect.read(exposition, at=0.0).kv_usage is not None


@pytest.mark.parametrize("text", ["", "up 1\n", "<html>"])
def test_what_is_no_engines_is_in_no_dialect(text: str) -> None:
    assert KnownDialects().read(text)[0] is None
