import json
from pathlib import Path

from concur_proxy.lab.recorded.load import Trace
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, answer, scripted_engine


async def test_what_passes_the_gateway_can_be_replayed_by_the_simulator(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    async with scripted_engine() as engine, running_gateway(engine.url, record=path) as gateway:
        for _ in range(3):
            await gateway.chat("private-name")
        await gateway.chat()
        await gateway.client.get("/v1/models")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["turn"] for line in lines] == [0, 1, 2, 0]
    assert {(line["prompt_tokens"], line["completion_tokens"]) for line in lines} == {(10, 5)}
    assert "private-name" not in path.read_text()
    (load,) = Trace(path).loads()
    result = Experiment(load.scenario, POLICIES["tokens"], 1).run()
    assert (result.sessions, result.requests) == (2, 4)


async def test_an_answer_whose_tokens_nobody_counted_is_left_out(tmp_path: Path) -> None:
    async def uncounted(exchange: Exchange) -> None:
        await exchange.json({**answer(), "usage": None})

    path = tmp_path / "trace.jsonl"
    async with (
        scripted_engine(script=uncounted) as engine,
        running_gateway(engine.url, record=path) as gateway,
    ):
        assert (await gateway.chat("a")).status_code == 200
    assert path.read_text() == ""
