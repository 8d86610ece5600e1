"""Every command block of the documentation runs, page by page, against emulated engines and a real gateway.

Blocks that need something which a test machine lacks are listed in `NOT_RUN` with the reason.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
import yaml

from concur_proxy.settings.admin_listen import ADDRESS_HEADER
from tests.coordination.redis_server import RedisServer
from tests.docs.blocks import Block, blocks
from tests.docs.processes import running
from tests.docs.words import REPOSITORY, texts_of_repository

NOT_RUN: Mapping[str, str] = {
    r"^(vllm serve|python -m sglang)": "needs a GPU",
    r"^(\w+=\S+ )?docker ": "needs Docker",
    r"^(helm|kubectl) ": "needs a Kubernetes cluster",
    r"^(sudo|journalctl) ": "needs systemd and root",
    r"^sh deploy/start (tests|check)": "runs this test",
    r"^python -m pytest": "runs tests of this suite",
    r"^(sh deploy/start|concur-proxy) demo": "takes a minute; tests/lab/demo runs it",
    r"pip install": "needs the network",
    r"^(uv tool|pipx|python3 -m pip) ": "needs the network; python -m tests.deploy.install does it",
    r"^python -m tests\.deploy\.install": "needs the network",
    r"^gh attestation": "needs a release",
    r"^python3 -m tests\.deploy\.release|^git ": "is a step of a release; tests/deploy/test_release.py runs it",
    r"^python -m tests\.deploy\.chart": "writes into the repository; tests/deploy/test_kubernetes.py compares it",
    r"^python -m tests\.replicas\.upgrade": "takes a minute; tests/replicas/test_upgrade.py runs its short form",
    r"^redis-cli ": "needs the reader's Redis",
    r"^python -m tests\.(benchmarks|real_engine|real_clients)": "takes minutes; its result is in deploy/docs/measured",
    r"^python -m tests\.fuzz": "takes a minute; tests/fuzz replays the corpus",
    r"^python -m tests\.mutation": "takes half an hour; tests/mutation tries the command",
    r"^python -m tests\.docs": "tests/docs/test_words.py and test_reference.py run it",
    r"^(claude|aider) --model|^(qwen|cline) ": "needs the client; python -m tests.real_clients runs it",
    r"^(import litellm|from (agents|langchain_openai|pydantic_ai|smolagents) import)": "needs a framework; "
    "python -m tests.real_clients runs it",
    r"^from (google\.adk|agno|autogen_agentchat|crewai|llama_index|strands)[. ]": "needs a framework; "
    "python -m tests.real_clients runs it",
    r"^GATEWAY=": "names the reader's own servers",
    r"--prometheus ": "needs a Prometheus server; tests/deploy/test_report_prometheus.py runs it",
    r"--engine-dns ": "needs the name of a service; tests/monitoring/test_name_watch.py runs it",
}
"""Blocks that are not run: a pattern for one of their lines, and the reason."""

PAGES = [path for path in texts_of_repository() if path.suffix == ".md" and any(blocks(path))]
SHELL_LIMIT_S = 100.0
TRACE = "".join(
    json.dumps(
        {
            "session": f"s{session}",
            "turn": turn,
            "at": 2.0 * turn + session,
            "prompt_tokens": 800 + 300 * turn,
            "completion_tokens": 60,
            "cached_tokens": 0,
            "held_s": 0.0,
            "duration_s": 1.0,
        }
    )
    + "\n"
    for turn in range(4)
    for session in range(6)
)


class Reader:
    """Runs the blocks of a page as a reader would: in one folder, with servers that keep running, and in a new shell
    for each block.
    """

    def __init__(self, folder: Path, addresses: Mapping[str, str], gateway: str) -> None:
        self._folder, self._addresses = folder, addresses
        self._exports = ""
        self._state = folder / ".state"
        self._state.mkdir()
        (self._state / "serve.url").write_text(gateway)
        for name, line in (("concur-proxy", "-P -m tests.docs.shell"), ("python", ""), ("python3", "")):
            script = self._state / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {line} "$@"\n')
            script.chmod(0o755)
        (folder / "trace.jsonl").write_text(TRACE)

    def follow(self, block: Block) -> None:
        """Runs a block; fails with what it has printed."""
        text = self._translated(self._exports + block.text if block.language == "sh" else block.text)
        self._exports += "".join(line for line in block.text.splitlines(keepends=True) if line.startswith("export "))
        command = ["sh", "-euc", text] if block.language == "sh" else [sys.executable, "-c", text]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CONCUR_")},
            "PATH": f"{self._state}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "DOCS_STATE": str(self._state),
        }
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=SHELL_LIMIT_S,
        )
        assert done.returncode == 0, f"line {block.line}:\n{text}\n{done.stdout}\n{done.stderr}"

    def leave(self) -> None:
        """Ends the servers that the page has started."""
        pids = self._state / "pids"
        for pid in pids.read_text().split() if pids.exists() else ():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)

    def _translated(self, text: str) -> str:
        """The block with the addresses of this test's servers."""
        gateway = (self._state / "serve.url").read_text()
        engine = self._state / "engine.url"
        addresses = {**self._addresses, "http://127.0.0.1:8300": gateway, "http://localhost:8300": gateway}
        if "http://127.0.0.1:9300" in text:
            addresses["http://127.0.0.1:9300"] = _admin_url(gateway)
        if engine.exists():
            addresses["http://localhost:8000"] = engine.read_text()
        for written, real in addresses.items():
            text = text.replace(written, real)
        return text.replace("sh deploy/start ", "concur-proxy ").replace("my-model", "emulated")


def _admin_url(gateway: str) -> str:
    """Where a gateway serves its admin API: at an address that it tells callers on its machine, or at its main port."""
    answer = httpx.get(f"{gateway}/concur/v1/state", trust_env=False)
    return str(answer.headers.get(ADDRESS_HEADER, gateway)).rstrip("/")


@pytest.fixture(name="addresses", scope="module")
def _addresses(redis: RedisServer) -> Iterator[dict[str, str]]:
    """The addresses that pages use, with those of servers that run."""
    with ExitStack() as servers:
        first, second = (servers.enter_context(running("engine", "--time-scale", "20")) for _ in range(2))
        yield {
            "http://localhost:8000": first,
            "http://localhost:30000": first,
            "http://localhost:8001": second,
            "http://localhost:8002": "http://localhost:9",
            "redis://localhost:6379/0": redis.url,
        }


@pytest.fixture(name="gateway", scope="module")
def _gateway(addresses: dict[str, str]) -> Iterator[str]:
    with running("serve", "--engine", addresses["http://localhost:8000"], "--admin-listen", "main") as url:
        yield url


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path, addresses: dict[str, str], gateway: str) -> None:
    reader = Reader(tmp_path, addresses, gateway)
    try:
        for block in blocks(page):
            if block.language in {"sh", "python"} and _reason_not_to_run(block) is None:
                if "curl " in block.text and shutil.which("curl") is None:
                    pytest.skip("curl is not installed")
                reader.follow(block)
    finally:
        reader.leave()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_data_blocks_can_be_read(page: Path) -> None:
    read: Mapping[str, Callable[[str], object]] = {
        "json": json.loads,
        "toml": tomllib.loads,
        "yaml": yaml.safe_load,
    }
    for block in blocks(page):
        assert block.language in {*read, "sh", "python", "js", "text"}, f"line {block.line}: ```{block.language}"
        if block.language in read:
            read[block.language](block.text)


def test_every_reason_not_to_run_a_block_is_needed() -> None:
    texts = [block.text for page in PAGES for block in blocks(page) if block.language in {"sh", "python"}]

    unused = [pattern for pattern in NOT_RUN if not any(re.search(pattern, text, re.MULTILINE) for text in texts)]

    assert not unused


def _reason_not_to_run(block: Block) -> str | None:
    found = (reason for pattern, reason in NOT_RUN.items() if re.search(pattern, block.text, re.MULTILINE))
    return next(found, None)
