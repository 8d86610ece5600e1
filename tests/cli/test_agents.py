import asyncio
import sys

import pytest

from concur_proxy.cli.agents import main
from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.server.server import build_app
from tests.http.running_gateway import running_gateway
from tests.http.running_server import running_server


async def test_fleets_go_through_a_gateway_one_after_another() -> None:
    async with (
        running_server(build_app(EmulatorOptions(time_scale=200.0))) as engine,
        running_gateway(engine) as gateway,
    ):
        arguments = (gateway.url, "--agents", "3", "--turns", "2", "--time-scale", "200", "--fleets", "2")
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "concur_proxy", "agents", *arguments)
        process = await asyncio.create_subprocess_exec(*command, stderr=pipe)
        _, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
        assert [line.rpartition("fleet ")[2] for line in err.decode().splitlines()] == [
            "0: 6 turns, 0 failures",
            "1: 6 turns, 0 failures",
        ]
        labels = {"engine": engine, "model": "emulated"}
        assert await gateway.metric("concur_generation_duration_seconds_count", **labels) == 3 * 2 * 2
        assert await gateway.metric("concur_time_to_first_token_seconds_count", **labels) == 3 * 2 * 2, "streamed"
        assert (
            await gateway.metric("concur_admissions_total", engine=engine, reason="window")
            + await gateway.metric("concur_admissions_total", engine=engine, reason="room")
            == 3 * 2
        ), "each fleet's sessions are its own"


async def test_a_server_that_does_not_answer_is_reported_once() -> None:
    command = (sys.executable, "-m", "concur_proxy", "agents", "http://127.0.0.1:9")
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    line = await asyncio.wait_for(process.stderr.readline(), 30)
    process.terminate()
    await process.wait()
    assert b"http://127.0.0.1:9 lists no models yet" in line


def test_a_server_that_is_none_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["gateway:8300"])
    assert stopped.value.code == 2
    assert "must be a URL such as http://localhost:8000" in capsys.readouterr().err
