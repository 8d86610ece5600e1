from array import array
from collections.abc import Iterator
from itertools import count
from random import Random

import pytest

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.recorded.alone import DECODE_PART, estimate_alone
from concur_proxy.lab.recorded.known_speeds import speeds_alone
from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.simulation.content import Content

BLOCK = 64


def conversation(
    name: str, random: Random, fresh: Iterator[int], *, outside_s: float, token_s: float, prompt_s: float
) -> Iterator[RecordedRequest]:
    """Twelve turns of a hosted service, every tenth of which is slow for a reason of its own."""
    ids: array[int] = array("q")
    at = 0.0
    for _ in range(12):
        new = random.randint(10, 200)
        ids = ids + array("q", [next(fresh) for _ in range(new)])
        out = random.randint(20, 800)
        duration_s = (outside_s + token_s * out + prompt_s * new * BLOCK) * random.uniform(0.95, 1.05)
        duration_s *= 5 if random.random() < 0.1 else 1
        yield RecordedRequest(
            session=name,
            at=at,
            prompt_tokens=len(ids) * BLOCK,
            completion_tokens=out,
            duration_s=duration_s + 2.0,
            wait_s=2.0,
            content=Content(prompt_tokens=len(ids) * BLOCK, block_tokens=BLOCK, ids=ids),
        )
        at += duration_s + 10


def recorded(**speeds: float) -> list[RecordedRequest]:
    random, fresh = Random(7), count()
    return [each for name in "abcdefgh" for each in conversation(name, random, fresh, **speeds)]


def test_durations_show_the_speeds_whatever_a_few_of_them_are() -> None:
    found = estimate_alone(recorded(outside_s=1.5, token_s=0.02, prompt_s=1e-4))
    assert found is not None
    assert found.shows_prefill
    assert found.outside_s == pytest.approx(1.5, rel=0.15)
    assert found.cost.prefill_tokens_s == pytest.approx(10_000, rel=0.1)
    assert found.cost.step_s + found.cost.decode_s == pytest.approx(0.02, rel=0.05)
    assert found.cost.step_s == pytest.approx(DECODE_PART * found.cost.decode_s)


def test_the_error_is_told_by_its_median_and_its_tail() -> None:
    speeds = speeds_alone(recorded(outside_s=1.5, token_s=0.02, prompt_s=1e-4))
    assert speeds.answers == 96
    assert speeds.median_error < 0.05
    assert 0.02 < speeds.p90_error < 1.0


def test_a_prefill_speed_that_no_duration_shows_is_assumed() -> None:
    found = estimate_alone(recorded(outside_s=0.0, token_s=0.02, prompt_s=0.0))
    assert found is not None
    assert not found.shows_prefill
    assert found.cost.prefill_tokens_s == CostModel().prefill_tokens_s


def test_without_durations_the_speeds_are_assumed() -> None:
    assert speeds_alone([]).answers == 0
    assert speeds_alone(recorded(outside_s=0.0, token_s=0.02, prompt_s=1e-4)[:10]).cost == CostModel()
