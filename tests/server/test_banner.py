"""What a real gateway says at its start."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cli.test_serve import NOWHERE, gateway


@contextmanager
def engine(*flags: str) -> Iterator[str]:
    """A real emulated engine and its URL."""
    command = [sys.executable, "-m", "concur_proxy", "engine", "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


def _lines(process: "subprocess.Popen[str]", last: str) -> list[str]:
    """The lines of standard output until one begins with `last`."""
    assert process.stdout is not None
    killer = threading.Timer(30, process.kill)
    killer.start()
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if line.startswith(last):
            break
    killer.cancel()
    return lines


def test_it_says_where_to_connect_what_is_controlled_and_how_each_engine_is() -> None:
    with (
        engine("--model", "mine", "--capacity-tokens", "60000") as url,
        gateway("--engine", url, "--engine", NOWHERE) as (
            process,
            own,
        ),
    ):
        page, base, docs, law, first, second = _lines(process, f"engine {NOWHERE}")
    assert page.startswith("concur-proxy has its admin API and live page on http://127.0.0.1:")
    assert base == f"base_url for clients: {own}/v1 (OpenAI), {own} (Anthropic)"
    assert docs == f"reference of the admin API: {page.split()[-1]}docs"
    assert law == "law tokens, mode enforce: sessions wait when an engine's cache is full"
    assert first == f"engine {url}: vllm, model mine, 60k KV tokens"
    assert second.startswith(f"engine {NOWHERE}: not answering yet (")


def test_an_open_gateway_says_what_it_lacks() -> None:
    with gateway("--engine", NOWHERE, "--host", "0.0.0.0", "--mode", "observe", "--goal", "balanced") as (process, _):
        lines = _lines(process, "missing: store")
    assert any(line.startswith("law tokens, mode observe: no request waits") for line in lines)
    assert "goal balanced: requests wait for about as long as without control" in lines
    assert lines[-2:] == [
        "missing: admin_key: without it, only this machine can use the live page and the admin API",
        "missing: store redis: needed for more than one gateway in front of these engines",
    ]


def test_without_a_place_for_the_page_it_says_how_to_get_one() -> None:
    target = ("--goal", "first-token", "--first-token-target-s", "60")
    with gateway("--engine", NOWHERE, "--admin-listen", "none", *target) as (process, _):
        lines = _lines(process, "missing")
    assert "goal first-token: the first token of 99 % of answers should come within 60 s" in lines
    assert not any("live page on" in line for line in lines)
    assert lines[-1] == "missing: a place for the live page and the admin API: set admin_key, or admin_listen"


@pytest.mark.parametrize("key", [(), ("--admin-key", "key-of-tests")])
def test_in_json_it_is_one_line_with_the_same_facts(key: tuple[str, ...]) -> None:
    with engine() as url, gateway("--engine", url, "--log-format", "json", *key) as (process, own):
        assert process.stderr is not None
        lines = map(json.loads, process.stderr)
        facts = next(line for line in lines if line["message"] == "serving")
        process.terminate()
        rest, _ = process.communicate(timeout=30)
    assert rest == "", "only the URL is on standard output, because the port was free to choose"
    assert (facts["base_url"], facts["law"], facts["mode"], facts["missing"]) == (f"{own}/v1", "tokens", "enforce", [])
    assert (facts["goal"], facts["first_token_target_s"]) == ("throughput", None)
    (known,) = facts["engines"]
    assert (known["kind"], known["models"], known["kv_tokens"]) == ("vllm", ["emulated"], 300_000)
    if key:
        assert facts["live_page"] == f"{own}/concur/"
