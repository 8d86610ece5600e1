import json
import logging
import subprocess

import pytest

from concur_proxy.telemetry.logs import JsonFormatter
from concur_proxy.telemetry.request_note import RequestNote, log_request, shown_session
from concur_proxy.wire.answer.usage import Usage


def test_a_session_is_shown_as_it_is_or_by_a_hash_that_a_shell_can_make() -> None:
    shell = ["sh", "-c", "printf agent-7 | sha256sum | cut -c1-16"]
    made = subprocess.run(shell, check=True, capture_output=True, text=True)
    assert shown_session("agent-7", hashed=True) == made.stdout.strip()
    assert shown_session("agent-7", hashed=False) == "agent-7"


def test_a_key_that_is_no_text_has_a_hash_as_well() -> None:
    assert len(shown_session("\udcff", hashed=True)) == 16


def test_waits_for_several_engines_add_up() -> None:
    note = RequestNote(method="POST")
    assert note.wait_s is None
    note.held(0.5)
    note.held(0.25)
    assert note.wait_s == 0.75


def test_a_line_tells_what_is_known(caplog: pytest.LogCaptureFixture) -> None:
    note = RequestNote(method="POST", engine="http://a", model="m", first_token_s=0.5)
    note.routed("/v1/chat/completions")
    note.held(0.25)
    note.usage = Usage(prompt_tokens=100, completion_tokens=7, cached_tokens=64)
    with caplog.at_level(logging.INFO):
        log_request(note, status=200, duration_s=1.23456)
    (record,) = caplog.records
    assert record.getMessage() == (
        "POST /v1/chat/completions 200: duration_s=1.2346 queue_wait_s=0.25 first_token_s=0.5 engine=http://a model=m "
        "prompt_tokens=100 cached_tokens=64 completion_tokens=7"
    )
    entry = json.loads(JsonFormatter().format(record))
    assert {name: entry[name] for name in ("method", "route", "status", "queue_wait_s", "cached_tokens")} == {
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 200,
        "queue_wait_s": 0.25,
        "cached_tokens": 64,
    }


def test_a_client_that_left_before_an_answer_has_no_status(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_request(RequestNote(method="GET", failure="client_gone"), status=None, duration_s=1)
    (record,) = caplog.records
    assert record.getMessage() == "GET - -: duration_s=1 failure=client_gone"
