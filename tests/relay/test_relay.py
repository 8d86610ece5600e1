import asyncio
import logging

import httpx
import pytest

from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.upstream.client import UpstreamResponse
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import answer, answer_at_once, scripted_engine
from tests.http.staged_answer import StagedAnswer

PATHS = {
    "/v1/chat/completions": ("error", "server_error"),
    "/v1/responses": ("error", "server_error"),
    "/v1/messages": ("error", "api_error"),
    "/generate": ("error", "server_error"),
}


@pytest.mark.parametrize("path", PATHS)
async def test_a_failure_of_the_gateway_itself_is_told_in_the_api_s_shape_and_logged(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect of ours")

    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, law="static", law_options={"window": 1}, idle_lease=0) as gateway,
    ):
        with monkeypatch.context() as patch:
            patch.setattr(gateway.app._upstream, "send", fail)
            response = await gateway.client.post(path, json={}, headers={"x-session-id": "a"})
        assert (response.status_code, response.headers["x-concur-reason"]) == (500, "internal")
        member, kind = PATHS[path]
        assert response.json()[member]["type"] == kind
        reference = response.json()[member]["message"].partition("reference ")[2][:12]
        (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert reference in record.getMessage()
        assert record.exc_info is not None
        assert "a defect of ours" in str(record.exc_info[1])
        await gateway.settled()
        assert (await gateway.chat("next")).json() == answer()
        assert await gateway.metric("concur_request_failures_total", reason="internal") == 1


async def test_a_failure_in_the_middle_of_an_answer_breaks_it_and_leaks_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    staged = StagedAnswer(phase="mid-body", stream=True)

    async with (
        scripted_engine(script=staged) as engine,
        running_gateway(engine.url, law="static", law_options={"window": 1}, idle_lease=0) as gateway,
    ):

        def fail(_: UpstreamResponse) -> None:
            raise RuntimeError("a defect of ours")

        with monkeypatch.context() as patch:
            patch.setattr(UpstreamResponse, "close", fail)
            asking = asyncio.create_task(gateway.chat("a", stream=True))
            await staged.reached.wait()
            staged.die.set()
            with pytest.raises(httpx.RemoteProtocolError):
                await asking
        assert "a defect of ours" in caplog.text
        await gateway.settled()
        engine.script = answer_at_once
        assert (await gateway.chat("next")).json() == answer()


async def test_a_failure_before_admission_holds_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect of ours")

    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        with monkeypatch.context() as patch:
            patch.setattr(LocalCoordinator, "wait", fail)
            scheduler = gateway.app.coordinator.fleet.gates[engine.url]._scheduler
            patch.setattr(scheduler, "_reason_to_admit", lambda *_: None)
            assert (await gateway.chat("a")).status_code == 500
        await gateway.settled()
        assert (await gateway.chat("a")).status_code == 200
