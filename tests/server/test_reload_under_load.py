"""A gateway process reads its settings again and again while answers stream through it."""

import asyncio
import signal
from pathlib import Path

from tests.e2e.gateway_process import GatewayProcess, gateway_process
from tests.http.scripted_engine import Exchange, scripted_engine

AGENTS, TURNS, EVENTS = 12, 12, 6
EXPECTED = "".join(f'data: {{"n":{number}}}\n\n' for number in range(EVENTS)) + "data: [DONE]\n\n"


async def streams(exchange: Exchange) -> None:
    """An answer that takes long enough for reloads to happen during it."""
    await exchange.start_stream()
    for number in range(EVENTS):
        await exchange.chunk(b'data: {"n":%d}\n\n' % number)
        await asyncio.sleep(0.02)
    await exchange.chunk(b"data: [DONE]\n\n")
    await exchange.chunk(b"")


async def agent(gateway: GatewayProcess, name: str) -> list[tuple[int, str]]:
    answers = [await gateway.chat(name, stream=True) for _ in range(TURNS)]
    return [(answer.status_code, answer.text) for answer in answers]


async def test_engines_come_and_go_under_load_and_no_request_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    async with scripted_engine(script=streams) as one, scripted_engine(script=streams) as two:
        texts = [
            f'engine = ["{one.url}", "{two.url}"]\n',
            f'engine = ["{two.url}"]\nkeepalive_comments_s = 9\n',
            f'engine = ["{one.url}"]\nmax_hold_s = "no"\n',  # refused
            f'engine = ["{one.url}"]\nmax_hold_s = 300\n',
        ]
        file.write_text(texts[-1])
        async with gateway_process("--config", str(file), "--scrape-interval-s", "0.05") as gateway:
            agents = [asyncio.create_task(agent(gateway, f"agent-{number}")) for number in range(AGENTS)]
            reloads = 0
            while not all(task.done() for task in agents):
                file.write_text(texts[reloads % len(texts)])
                if reloads % 5:  # every fifth change is left to the file watch
                    gateway.process.send_signal(signal.SIGHUP)
                reloads += 1
                await asyncio.sleep(0.1)
            answers = [found for task in agents for found in task.result()]
            gateway.terminate()
            status, log = await gateway.ended()
    assert answers == [(200, EXPECTED)] * (AGENTS * TURNS)
    assert len(one.received) + len(two.received) == AGENTS * TURNS
    assert min(len(one.received), len(two.received)) > 0
    assert reloads > len(texts)
    assert f"engine {two.url}: added" in log
    assert f"engine {one.url}: removed" in log
    assert (
        f"settings not reloaded, the old ones stay in force: max_hold_s = no in {file} line 2: must be a number" in log
    )
    assert "Traceback" not in log
    assert status == 0
