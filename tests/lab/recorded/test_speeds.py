from dataclasses import replace
from pathlib import Path

import pytest

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.recorded.speeds import estimate
from tests.lab.recorded.recordings import COST, CROWDED, ROOMY, record, request, requests_of


@pytest.mark.parametrize("scenario", [CROWDED, ROOMY], ids=lambda scenario: scenario.name)
def test_streams_show_the_engine_s_speeds_even_when_it_is_overloaded(tmp_path: Path, scenario: object) -> None:
    requests = requests_of(record(tmp_path / "trace.jsonl", scenario))  # type: ignore[arg-type]
    cost, is_known = estimate(requests, requests)
    assert is_known
    assert cost.step_s == pytest.approx(COST.step_s, rel=0.15)
    assert cost.prefill_tokens_s == pytest.approx(COST.prefill_tokens_s, rel=0.1)


def test_of_several_engines_each_has_its_own_load(tmp_path: Path) -> None:
    requests = requests_of(record(tmp_path / "trace.jsonl", ROOMY))
    others = [replace(each, engine="http://other:8000") for each in requests]
    assert estimate(requests + others, others)[0].prefill_tokens_s == pytest.approx(COST.prefill_tokens_s, rel=0.1)


@pytest.mark.parametrize("missing", ["first_token_s", "cached_tokens"])
def test_without_streams_or_cached_tokens_only_the_step_is_guessed(tmp_path: Path, missing: str) -> None:
    requests = requests_of(record(tmp_path / "trace.jsonl", ROOMY))
    lacking = [replace(each, **{missing: None}) for each in requests]  # type: ignore[arg-type]
    cost, is_known = estimate(lacking, lacking)
    assert not is_known
    assert cost.step_s < 0.1


def test_answers_of_a_few_tokens_show_nothing() -> None:
    short = [request("a", float(at), 100, 1) for at in range(50)]
    assert estimate(short, short) == (
        replace(CostModel(), decode_s=CostModel().step_s / 50),
        False,
    )
