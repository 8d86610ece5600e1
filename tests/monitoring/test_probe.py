import asyncio
import gc
import logging
import socket
import ssl

import httpx
import pytest

from concur_proxy.monitoring.probe import MAX_BODY_BYTES, EngineProbe, describe
from tests.monitoring.metrics_endpoint import Respond, answer, cut_short, metrics_endpoint, silence


class Listener:
    """Records what a probe reported."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.silences: list[str] = []

    def probe(self, url: str, client: httpx.AsyncClient, *, interval_s: float = 60.0) -> EngineProbe:
        """A probe that reports to this listener."""
        return EngineProbe(
            url,
            client,
            interval_s=interval_s,
            timeout_s=0.3,
            on_answer=lambda status, body: self.answers.append((status, body)),
            on_silence=self.silences.append,
        )


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "503 Service Unavailable"])
async def test_any_answer_is_told(status: str) -> None:
    listener = Listener()
    async with metrics_endpoint(answer("body", status=status)) as engine, httpx.AsyncClient(trust_env=False) as client:
        await listener.probe(f"{engine.url}/x", client).ask()
    assert (listener.answers, listener.silences) == ([(int(status[:3]), b"body")], [])


async def test_an_answer_leaves_nothing_for_the_garbage_collection() -> None:
    probe_of = Listener().probe
    async with metrics_endpoint(answer("body")) as engine, httpx.AsyncClient(trust_env=False) as client:
        probe = probe_of(f"{engine.url}/x", client)
        await probe.ask()
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                await probe.ask()
            assert sum(isinstance(each, httpx.Response) for each in gc.get_objects()) == 0
        finally:
            gc.enable()


@pytest.mark.parametrize(("respond", "reason"), [(silence, "within 0.3 s"), (cut_short("half"), "closed")])
async def test_no_answer_is_told_with_its_reason(respond: Respond, reason: str) -> None:
    listener = Listener()
    async with metrics_endpoint(respond) as engine, httpx.AsyncClient(trust_env=False) as client:
        await listener.probe(f"{engine.url}/x", client).ask()
    assert listener.answers == []
    assert reason in listener.silences[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_engine_that_does_not_listen_is_silent_and_the_cause_is_said(host: str) -> None:
    listener = Listener()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://{host}:{free.getsockname()[1]}/x"
    async with httpx.AsyncClient(trust_env=False) as client:
        await listener.probe(url, client).ask()
    assert listener.silences == [f"{url}: connection refused"]


async def test_a_name_without_address_is_said() -> None:
    listener = Listener()
    async with httpx.AsyncClient(trust_env=False) as client:
        await listener.probe("http://no-such-host.invalid/x", client).ask()
    (unknown,) = listener.silences
    assert unknown.startswith("http://no-such-host.invalid/x: ")
    assert "Errno" not in unknown


def test_the_number_of_a_tls_error_is_not_one_of_the_system() -> None:
    error = httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER] wrong version number")
    error.__cause__ = ssl.SSLError(1, "wrong version number")
    assert describe(error) == str(error)


async def test_a_body_without_end_is_not_kept() -> None:
    listener = Listener()
    async with (
        metrics_endpoint(answer(b"x" * (MAX_BODY_BYTES + 1))) as engine,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await listener.probe(f"{engine.url}/x", client).ask()
    assert listener.answers == [(200, b"")]


async def test_it_asks_again_after_its_interval_and_at_once_when_hurried() -> None:
    listener = Listener()
    async with (
        metrics_endpoint(answer("a")) as engine,
        httpx.AsyncClient(trust_env=False) as client,
        asyncio.timeout(10),
    ):
        often = asyncio.create_task(listener.probe(f"{engine.url}/x", client, interval_s=0.01).run())
        while len(listener.answers) < 3:
            await asyncio.sleep(0.005)
        often.cancel()
        listener.answers.clear()
        seldom = listener.probe(f"{engine.url}/x", client)
        running = asyncio.create_task(seldom.run())
        for number in (1, 2):
            while len(listener.answers) < number:
                await asyncio.sleep(0.005)
            seldom.hurry()
        running.cancel()


async def test_a_listener_that_fails_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        metrics_endpoint(answer("a")) as engine,
        httpx.AsyncClient(trust_env=False) as client,
        asyncio.timeout(10),
    ):

        def fail(status: int, body: bytes) -> None:
            raise RuntimeError("slip")

        probe = EngineProbe(
            f"{engine.url}/x", client, interval_s=0.01, timeout_s=1.0, on_answer=fail, on_silence=lambda _: None
        )
        with caplog.at_level(logging.ERROR):
            running = asyncio.create_task(probe.run())
            while engine.scrapes < 3:
                await asyncio.sleep(0.005)
            running.cancel()
    assert len(caplog.records) == 1
