"""Runs one client: an engine, a gateway and a front, and the client's agents through them."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real_clients.clients import Client
from tests.real_clients.front import Front, Trouble, running_front
from tests.real_clients.install import REPOSITORY, Installed
from tests.real_clients.report import SAME, TROUBLE, Request, Row

TURNS = 5
AGENTS = 3
GATEWAY_LOG = "gateway.log"
LIMIT_S = 600
STARTS_WITHIN_S = 240  # on a busy machine
"""For one agent's loop. Some clients need minutes to start on a busy machine."""

OFFLINE = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "OTEL_SDK_DISABLED": "true",
    "CLINE_TELEMETRY_DISABLED": "1",
}
"""Keeps clients from waiting for servers of their makers, which cannot be reached from everywhere."""

TASKS = ("Why does the parser fail on an empty file?", "Add a test for the cache.", "Rename the module of the clock.")
SAME_TASK = "Find the reason of the failing test, and fix it."


@dataclass(frozen=True, slots=True)
class Loop:
    """How an agent's loop ended."""

    agent: str
    status: int
    output: str


async def run_client(client: Client, installed: Installed, turns: int, keep: Path | None, *, with_trouble: bool) -> Row:
    """Run all agents of a client, and read from the gateway's log what it made of them. `keep` is a folder for all
    output; None: it is not kept.
    """
    with ExitStack() as stack:
        folder = (keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))) / client.name
        folder.mkdir(parents=True, exist_ok=True)
        trouble = Trouble(retry_after_s=2, silent_s=20) if with_trouble else None
        loops, ended = await _run_all(installed, turns, folder, trouble)
        row = Row(client, version=installed.version, turns=turns, trouble=trouble, ended=ended)
        row.requests = read_log(folder / GATEWAY_LOG)
    for loop in loops:
        if loop.status != 0 and loop.agent != TROUBLE:
            row.problem = f"{loop.agent} ended with status {loop.status}: {loop.output[-300:]}"
    return row


async def _run_all(
    installed: Installed, turns: int, folder: Path, trouble: Trouble | None
) -> tuple[list[Loop], list[str]]:
    """Run the agents with different tasks, then those with the same task, and meanwhile the one with trouble. Returns
    also the agents whose sessions have ended.
    """
    async with AsyncExitStack() as stack:
        flags = ("--any-model", "--tool-turns", str(turns - 1), "--answer-tokens", "30")
        engine_url = await stack.enter_async_context(_process(folder / "engine.log", "engine", *flags))
        flags = ("--engine", engine_url, "--log-requests", "--log-format", "json")
        gateway_url = await stack.enter_async_context(_process(folder / GATEWAY_LOG, "serve", *flags))
        front = await stack.enter_async_context(running_front(gateway_url))
        different = {f"different-{number}": TASKS[number] for number in range(AGENTS)}
        same = {f"{SAME}-{number}": SAME_TASK for number in range(AGENTS)}
        in_trouble = {}
        if trouble is not None:
            front.trouble[TROUBLE] = trouble
            in_trouble[TROUBLE] = "This agent is refused, and waits."
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(_run_agents(installed, turns, front, in_trouble, folder))
            loops = await _run_agents(installed, turns, front, different, folder)
            loops += await _run_agents(installed, turns, front, same, folder)
        return loops + waiting.result(), sorted(front.ended)


async def _run_agents(
    installed: Installed, turns: int, front: Front, tasks: dict[str, str], folder: Path
) -> list[Loop]:
    runs = [_run_agent(installed, turns, front, agent, prompt, folder) for agent, prompt in tasks.items()]
    return list(await asyncio.gather(*runs))


async def _run_agent(installed: Installed, turns: int, front: Front, agent: str, prompt: str, folder: Path) -> Loop:
    work = folder / agent
    work.mkdir(exist_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        **OFFLINE,
        "PYTHONPATH": str(REPOSITORY),
        "PATH": f"{installed.path}:{os.environ['PATH']}",
        "HOME": str(work),
        "PWD": str(work),
        "REAL_CLIENTS_URL": f"{front.url}/{agent}",
        "REAL_CLIENTS_PROMPT": prompt,
        "REAL_CLIENTS_TURNS": str(turns),
        "REAL_CLIENTS_AGENT": agent,
    }
    process = await asyncio.create_subprocess_exec(
        *installed.command, cwd=work, env=environment, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
        text = output.decode(errors="replace")
    except TimeoutError:
        process.kill()
        await process.wait()
        text = f"did not end within {LIMIT_S} s"
    (work / "output.txt").write_text(text)
    return Loop(agent, process.returncode or 0, text)


@asynccontextmanager
async def _process(log: Path, *arguments: str) -> AsyncIterator[str]:
    """A command of the package, which prints its URL. It is ended with the block."""
    with log.open("w") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "concur_proxy", *arguments, "--port", "0",
            stdout=asyncio.subprocess.PIPE, stderr=errors, cwd=REPOSITORY,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            yield (await asyncio.wait_for(process.stdout.readline(), STARTS_WITHIN_S)).decode().split()[-1]
        finally:
            process.terminate()
            await process.wait()


def read_log(log: Path) -> Sequence[Request]:
    """The requests of agents that needed admission, in the order of their ids."""
    requests = []
    for line in log.read_text().splitlines():
        facts = json.loads(line)
        if "queue_wait_s" not in facts:
            continue
        agent, _, number = facts["request_id"].rpartition(".")
        requests.append(
            Request(
                agent=agent,
                number=int(number),
                session=facts.get("session", ""),
                by=facts.get("recognised_by", ""),
                status=facts.get("status", 0),
            )
        )
    return sorted(requests, key=lambda each: (each.agent, each.number))
