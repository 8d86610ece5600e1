"""Metrics with values that cannot be true: they are dropped and counted, and requests go on as before."""

import asyncio

import pytest

from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import METRICS, scripted_engine

GOOD = {"usage": "0.1", "running": "0", "waiting": "1", "queries": "5000", "hits": "100", "blocks": "1000"}


@pytest.mark.parametrize(
    ("wrong", "is_counted"),
    [
        ({"usage": "-5"}, True),
        ({"usage": "65"}, True),
        ({"running": "-3", "waiting": "-1"}, True),
        ({"running": "1e300"}, True),
        ({"queries": "-1"}, True),
        ({"queries": "1e17"}, True),
        ({"usage": "+Inf"}, False),
        ({"running": "NaN"}, False),
    ],
    ids=str,
)
async def test_requests_go_on_and_the_values_are_counted(wrong: dict[str, str], *, is_counted: bool) -> None:
    """NaN and infinity are how engines write that they do not know a value yet."""
    async with scripted_engine(metrics=METRICS.format(**GOOD)) as engine, running_gateway(engine.url) as gateway:
        await gateway.until(lambda: gateway.snapshot().budget_tokens is not None)
        window = gateway.snapshot().budget_tokens
        engine.metrics = METRICS.format(**{**GOOD, **wrong})
        scrapes = engine.scrapes + 3
        await gateway.until(lambda: engine.scrapes >= scrapes)
        answers = await asyncio.gather(*(gateway.chat(f"s-{number}") for number in range(12)))
        assert {answer.status_code for answer in answers} == {200}
        assert max(float(answer.headers["x-concur-queue-wait-s"]) for answer in answers) < 0.5
        assert gateway.snapshot().budget_tokens == window
        assert (await gateway.metric("concur_signals_dropped_total") > 0) is is_counted
