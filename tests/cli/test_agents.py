import asyncio
import sys

import pytest

from concur_proxy.cli.agents import main
from concur_proxy.emulator.options import EmulatorOptions
from tests.api.running_gateway import running_gateway
from tests.api.test_ranks import emulated_engine


async def test_fleets_go_through_a_gateway_one_after_another() -> None:
    async with (
        emulated_engine(EmulatorOptions(time_scale=200.0)) as engine,
        running_gateway(engine) as gateway,
    ):
        arguments = (gateway.url, "--agents", "3", "--turns", "2", "--time-scale", "200", "--fleets", "2")
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "concur_proxy", "agents", *arguments)
        assert await asyncio.wait_for(process.wait(), 30) == 0
        labels = {"engine": engine, "model": "emulated"}
        assert await gateway.metric("concur_generation_duration_seconds_count", **labels) == 3 * 2 * 2
        assert await gateway.metric("concur_time_to_first_token_seconds_count", **labels) == 3 * 2 * 2, "streamed"
        assert (
            await gateway.metric("concur_admissions_total", engine=engine, reason="window")
            + await gateway.metric("concur_admissions_total", engine=engine, reason="room")
            == 3 * 2
        ), "each fleet's sessions are its own"


def test_a_server_that_is_none_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["gateway:8300"])
    assert stopped.value.code == 2
    assert "must be a URL such as http://localhost:8000" in capsys.readouterr().err
