"""`concur-proxy status` and `top` against the real gateway."""

import asyncio
import io
import json
import os
import signal
import sys
from pathlib import Path

import pytest
import respx
from rich.console import Console

from concur_proxy.cli.state_view import state_view
from concur_proxy.cli.watch import NoState, read_state
from concur_proxy.telemetry.recognition import FEWEST
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Hold, answers, scripted_engine


async def _run(*arguments: str, key: str | None = None, columns: int = 160) -> tuple[int, str, str]:
    env = {**os.environ, "COLUMNS": str(columns), **({} if key is None else {"CONCUR_ADMIN_KEY": key})}
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "concur_proxy", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=env)
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_status_tells_a_person_and_a_script() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, admin_key="open sesame") as gateway:
        await gateway.chat("agent-7")
        status, out, _ = await _run("status", "--url", gateway.url, "--json", key="open sesame")
        state = json.loads(out)
        assert status == 0
        assert [row["session_id"] for row in state["sessions"]] == ["agent-7"]
        status, out, _ = await _run("status", "--url", gateway.url, "--admin-key", "open sesame")
        assert status == 0
        assert engine.url in out
        assert state["decisions"][0]["text"] in " ".join(out.split())
        status, _, err = await _run("status", "--url", gateway.url)
        assert status == 1
        assert err.startswith("concur-proxy status: error: Send the gateway's admin_key")
        assert err.count("\n") == 1


@pytest.mark.parametrize("where", ["auto", "unix"])
async def test_status_and_doctor_find_the_admin_api_by_the_main_port(where: str, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/admin.sock" if where == "unix" else where
    settings: dict[str, object] = {"admin_listen": address, "private_metrics": True}
    async with scripted_engine() as engine, running_gateway(engine.url, **settings) as gateway:
        await gateway.chat("agent-7")
        for url in (gateway.url, gateway.app.access.admin_url or ""):
            status, out, _ = await _run("status", "--url", url, "--json")
            assert (status, json.loads(out)["sessions"][0]["session_id"]) == (0, "agent-7")
        _, out, _ = await _run("doctor", "--gateway", gateway.url, "--json")
        assert {"ready", "few_requests"} <= {finding["code"] for finding in json.loads(out)["findings"]}


async def test_status_and_top_warn_if_sessions_are_not_recognised() -> None:
    text = "Warning: Most requests name no session and continue no known conversation: 100 %"
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        assert "Warning" not in (await _run("status", "--url", gateway.url))[1]
        for number in range(FEWEST):
            await gateway.chat(messages=[{"role": "user", "content": f"task {number}"}])
        _, out, _ = await _run("status", "--url", gateway.url)
        assert text in " ".join(out.split())
        state = (await gateway.client.get("/concur/v1/state")).json()
    shown = io.StringIO()
    Console(file=shown, width=160).print(state_view(state, sessions=5, decisions=0))  # as `top` shows it
    assert text in " ".join(shown.getvalue().split())


async def test_the_admin_key_can_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong, missing = (tmp_path / name for name in ("right", "wrong", "missing"))
    right.write_text("open sesame\n")
    wrong.write_text("open barley\n")
    async with scripted_engine() as engine, running_gateway(engine.url, admin_key="open sesame") as gateway:
        monkeypatch.setenv("CONCUR_ADMIN_KEY_FILE", str(right))
        assert (await _run("status", "--url", gateway.url))[0] == 0
        assert (await _run("status", "--url", gateway.url, "--admin-key-file", str(wrong)))[0] == 1, "a flag wins"
        _, _, err = await _run("status", "--url", gateway.url, "--admin-key-file", str(missing))
        assert err.endswith(f"admin key in {missing}: the file cannot be read: No such file or directory\n")
        _, _, err = await _run("status", "--url", gateway.url, key="open sesame")
        assert err.endswith(f"given twice, as text and in the file {right}: use only one of them\n")


async def test_on_a_narrow_terminal_each_engine_is_named() -> None:
    async with scripted_engine() as one, scripted_engine() as two, running_gateway(one.url, two.url) as gateway:
        _, out, _ = await _run("status", "--url", gateway.url, columns=80)
        cells = [line.split("│")[1].strip() for line in out.splitlines() if line.startswith("│")]
        assert "".join(cells) == one.url + two.url


async def test_everything_fits_80_columns_and_uses_the_words_of_the_page() -> None:
    options = {"law": "static", "law_options": {"window": 1}, "work_conserving": False}
    async with scripted_engine(script=Hold()) as engine, running_gateway(engine.url, **options) as gateway:
        asked = [asyncio.create_task(gateway.chat(session)) for session in ("agent-1", "agent-2")]
        await gateway.until(lambda: gateway.snapshot().waiting == 1 and gateway.app.monitors[0].failure is None)
        state = (await gateway.client.get("/concur/v1/state")).json()
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    shown = io.StringIO()
    Console(file=shown, width=80, highlight=False).print(state_view(state, sessions=5, decisions=5))
    lines = [line.rstrip() for line in shown.getvalue().splitlines()]
    assert max(map(len, lines)) <= 80
    words = " ".join(shown.getvalue().replace("│", " ").split())
    for text in (
        "Recomputed now not known yet: no answer older than 5 s has said what was cached",
        "Prefill saved 0 tokens in the last",
        "Waiting 1 session, the longest for 0 s",
        "Unrecognised not known yet",
        "running",
        "waiting (place 1, about",
    ):
        assert text in words
    assert state["engines"][0]["health"] == "healthy and full: 1 session waiting"
    assert state["engines"][0]["window_text"] == "1 session"
    assert [row["situation"] for row in state["sessions"]] == ["running", "waiting"]


async def test_where_no_gateway_answers_it_is_one_line() -> None:
    for command in ("status", "top"):
        status, out, err = await _run(command, "--url", "http://127.0.0.1:9")
        assert (status, out) == (1, "")
        assert err.startswith(f"concur-proxy {command}: error: --url http://127.0.0.1:9: no gateway answers")
        assert err.count("\n") == 1


async def test_another_server_is_no_gateway() -> None:
    async with scripted_engine() as engine:
        status, _, err = await _run("status", "--url", engine.url)
        assert (status, err.count("\n")) == (1, 1)


async def test_a_gateway_that_fails_is_no_other_server() -> None:
    async with scripted_engine(script=answers("500 Internal Server Error", b"oops")) as engine:
        _, _, err = await _run("status", "--url", engine.url)
        assert err.endswith("answered HTTP 500 without a state: see its log\n")


async def test_waiting_sessions_come_first() -> None:
    options = {"law": "static", "law_options": {"window": 1}}
    async with scripted_engine(script=Hold()) as engine, running_gateway(engine.url, **options) as gateway:
        asked = [asyncio.create_task(gateway.chat(session)) for session in ("agent-1", "agent-2")]
        await gateway.until(lambda: gateway.snapshot().held == 1)
        state = (await gateway.client.get("/concur/v1/state")).json()
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    shown = io.StringIO()
    Console(file=shown, width=160).print(state_view(state, sessions=1, decisions=0))
    (waiting,) = [row["session_id"] for row in state["sessions"] if row["place"] is not None]
    other = "agent-1" if waiting == "agent-2" else "agent-2"
    assert waiting in shown.getvalue()
    assert other not in shown.getvalue()


async def test_several_tenants_are_shown() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, tenant_header="x-team") as gateway:
        gateway.client.headers["x-team"] = "red[b]"
        await gateway.chat("agent-1")
        _, alone, _ = await _run("status", "--url", gateway.url)
        gateway.client.headers["x-team"] = "blue"
        await gateway.chat("agent-1")
        _, both, _ = await _run("status", "--url", gateway.url)
        state = (await gateway.client.get("/concur/v1/state")).json()
    assert "tenants" not in alone
    assert ("2 tenants" in both, "red[b]" in both, "blue" in both) == (True, True, True)
    assert [(row["tenant"], row["share"], row["weight"]) for row in state["tenants"]] == [
        ("blue", 0.5, 1.0),
        ("red[b]", 0.5, 1.0),
    ]
    shown = io.StringIO()
    Console(file=shown, width=160).print(state_view(state, sessions=5, decisions=0, tenants=1))
    assert "1 of 2 tenants" in shown.getvalue()
    assert "red" not in shown.getvalue().split("2 sessions")[0]


async def test_top_shows_sessions_until_it_is_interrupted() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await gateway.chat("agent-7")
        command = [sys.executable, "-m", "concur_proxy", "top", "--url", gateway.url, "--interval", "0.1"]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdout=pipe, stderr=pipe, env={**os.environ, "TTY_COMPATIBLE": "1"}
        )
        assert process.stdout is not None
        shown = b""
        async with asyncio.timeout(20):
            while b"agent-7" not in shown:
                part = await process.stdout.read(4096)
                assert part, "it ended by itself"
                shown += part
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert process.returncode == 130
        assert b"Traceback" not in err


@respx.mock
def test_a_gateway_whose_leader_is_silent_says_so() -> None:
    error = {"message": "The gateway that leads, r7, has not answered.", "code": "leader_silent"}
    respx.get("http://gateway/concur/v1/state").respond(503, json={"error": error})
    with pytest.raises(NoState, match=r"http://gateway: The gateway that leads, r7"):
        read_state("http://gateway", None)
