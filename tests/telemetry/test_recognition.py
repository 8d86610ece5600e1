"""Who is warned when sessions are not recognised: the log once, and the state that page, `status` and `top` show."""

import asyncio
import logging
from pathlib import Path

import pytest

from concur_proxy.telemetry.events import CURRENT
from concur_proxy.telemetry.recognition import CHECK_EVERY, FEWEST, GUIDE, NEWEST
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import scripted_engine

ROOT = Path(__file__).parents[2]
TEXT = "Most requests name no session and continue no known conversation: "


async def send(gateway: RunningGateway, number: int, *, session: str | None = None) -> None:
    """Send this many requests, each with another prompt, and each of a session of its own if they name one."""
    for begin in range(0, number, 10):
        prompts = [
            [{"role": "user", "content": f"{session} {begin} {each}"}] for each in range(min(10, number - begin))
        ]
        names = [None if session is None else f"{session}-{begin + each}" for each in range(len(prompts))]
        await asyncio.gather(
            *(gateway.chat(name, messages=prompt) for name, prompt in zip(names, prompts, strict=True))
        )


async def state(gateway: RunningGateway) -> tuple[float | None, int, list[str]]:
    answer = (await gateway.client.get("/concur/v1/state")).json()
    return answer["unrecognised"], answer["shared_keys"], answer["warnings"]


async def test_most_requests_unrecognised(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await send(gateway, FEWEST - 1)
        assert await state(gateway) == (None, 0, []), "too few requests to judge"
        await send(gateway, 1)
        share, _, (warning,) = await state(gateway)
        assert share == 1.0
        assert warning.startswith(f"{TEXT}100 % of the last {FEWEST}.")
        assert GUIDE in warning
        assert caplog.text.count(TEXT) == 1
        await send(gateway, CHECK_EVERY)
        assert caplog.text.count(TEXT) == 1, "one line is enough"
        await send(gateway, NEWEST // 2, session="a")
        assert await state(gateway) == (0.5, 0, []), "half is not most"
        await send(gateway, NEWEST // 2, session="a")
        assert (await state(gateway))[0] == 0.0, "only the newest requests count"


async def test_named_sessions_cause_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await send(gateway, FEWEST, session="a")
        assert await state(gateway) == (0.0, 0, [])
    assert TEXT not in caplog.text


@pytest.mark.parametrize(("keys", "begin"), [(1, "1 session key names many"), (2, "2 session keys name many")])
async def test_one_key_with_many_conversations(
    keys: int, begin: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        monkeypatch.setattr(type(gateway.app.coordinator.fleet), "shared_keys", keys)
        _, counted, (warning,) = await state(gateway)
        assert counted == keys
        assert warning.startswith(begin)
        assert await gateway.metric("concur_shared_keys") == keys
        await send(gateway, 2 * CHECK_EVERY, session="a")
    assert caplog.text.count(begin) == 1


def test_the_guide_that_the_texts_name_is_there() -> None:
    assert (ROOT / GUIDE).is_file()


async def test_the_line_is_not_about_the_request_that_was_counted_last(caplog: pytest.LogCaptureFixture) -> None:
    named: list[str | None] = []

    def look(record: logging.LogRecord) -> bool:
        if TEXT in record.getMessage():
            current = CURRENT.get()
            named.append(None if current is None else current.request_id)
        return True

    caplog.handler.addFilter(look)
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await send(gateway, FEWEST)
    caplog.handler.removeFilter(look)
    assert named == [None]
