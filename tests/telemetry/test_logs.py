import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from concur_proxy.admission.outcome import Outcome
from concur_proxy.telemetry.events import CURRENT, Attempt, RequestEvents, RequestRecord
from concur_proxy.telemetry.logs import JsonFormatter, RequestLog, configure_logging, log_request
from concur_proxy.wire.answer.usage import Usage


@pytest.fixture(autouse=True)
def root_as_before() -> Iterator[None]:
    root, httpx = logging.getLogger(), logging.getLogger("httpx")
    before, httpx_level = (root.level, root.handlers[:]), httpx.level
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    httpx.setLevel(httpx_level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", style="json")
    before = datetime.now(UTC)
    logging.getLogger("concur_proxy.monitoring").warning('engine %s: "%s"\nand more', "a", "größe")
    (line,) = lines(capsys)
    entry = json.loads(line)
    assert list(entry) == ["time", "level", "logger", "message"]
    assert (entry["level"], entry["logger"]) == ("warning", "concur_proxy.monitoring")
    assert entry["message"] == 'engine a: "größe"\nand more'
    assert abs(datetime.fromisoformat(entry["time"]) - before) < timedelta(minutes=1)
    assert datetime.fromisoformat(entry["time"]).utcoffset() == timedelta(0)


def test_a_traceback_is_part_of_its_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", style="json")
    try:
        float("no such thing")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = lines(capsys)
    exception = json.loads(line)["exception"]
    assert exception.startswith("Traceback (most recent call last):\n")
    assert exception.endswith("ValueError: could not convert string to float: 'no such thing'")


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", style="text")
    logging.getLogger("x").warning("window %g", 4.0)
    (line,) = lines(capsys)
    assert line.endswith(" WARNING window 4")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", line)


def test_a_text_of_others_makes_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", style="text")
    logging.getLogger("x").info("model=%s", "a\n2026-01-01 00:00:00,000 ERROR   b\x1b[2J\u2028ü")
    (line,) = lines(capsys)
    assert line.endswith(r"model=a\n2026-01-01 00:00:00,000 ERROR   b\x1b[2J\u2028ü")


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize(("level", "number"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_only_what_is_grave_enough_is_logged(
    style: str, level: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(level=level, style=style)
    log = logging.getLogger("x")
    for write in (log.debug, log.info, log.warning, log.error):
        write("line")
    assert len(lines(capsys)) == number


def test_a_scrape_makes_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="debug", style="text")
    logging.getLogger("httpx").info("HTTP Request: GET http://a/metrics")
    assert lines(capsys) == []


def test_what_was_configured_before_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
    for _ in range(2):
        configure_logging(level="info", style="text")
    logging.getLogger("x").info("once")
    assert len(lines(capsys)) == 1


@pytest.fixture(name="current")
def _current() -> Iterator[RequestRecord]:
    current = RequestRecord(method="POST", request_id="r-1")
    token = CURRENT.set(current)
    yield current
    CURRENT.reset(token)


def test_a_line_about_a_request_names_it(current: RequestRecord, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", style="json")
    logging.getLogger("x").info("sent on")
    current.session = "agent-7"
    logging.getLogger("x").info("cut off")
    first, second = (json.loads(line) for line in lines(capsys))
    assert (first["request_id"], "session" in first) == ("r-1", False)
    assert (second["request_id"], second["session"]) == ("r-1", "agent-7")


def test_people_find_the_request_at_the_end_of_its_line(
    current: RequestRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(level="info", style="text")
    current.session = "agent-7"
    logging.getLogger("x").warning("cut off")
    current.tenant = "red"
    logging.getLogger("x").warning("cut off")
    first, second = lines(capsys)
    assert first.endswith(" WARNING cut off [request_id=r-1 session=agent-7]")
    assert second.endswith(" WARNING cut off [request_id=r-1 tenant=red session=agent-7]")


WHOLE = RequestRecord(
    method="POST",
    route="/v1/chat/completions",
    status=200,
    model="m",
    is_stream=True,
    began_at=10.0,
    ended_at=11.23456,
    attempts=[
        Attempt(arrived_at=10.0, outcome=Outcome.ADMITTED, wait_s=0.15, engine="http://dead", sent_at=10.15),
        Attempt(
            arrived_at=10.2,
            outcome=Outcome.ADMITTED,
            wait_s=0.1,
            engine="http://a",
            sent_at=10.3,
            first_token_at=10.7,
            usage=Usage(prompt_tokens=100, completion_tokens=7, cached_tokens=64),
        ),
    ],
)


def test_the_line_of_a_request_has_what_is_known(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_request(WHOLE)
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
        log_request(RequestRecord(method="GET", failures=["client_gone"], ended_at=1.0))
    (record,) = caplog.records
    assert record.getMessage() == "GET - -: duration_s=1.0 failure=client_gone"


def test_a_request_that_was_never_sent_names_no_engine(caplog: pytest.LogCaptureFixture) -> None:
    refused = Attempt(arrived_at=0.0, outcome=Outcome.HOLD_TIMEOUT, wait_s=2.0, engine="http://a")
    with caplog.at_level(logging.INFO):
        log_request(RequestRecord(method="POST", attempts=[refused], ended_at=2.0))
    assert "engine" not in caplog.records[0].getMessage()


def test_request_lines_are_switched_on_and_off(caplog: pytest.LogCaptureFixture) -> None:
    events = RequestEvents()
    log = RequestLog(events)
    for on, lines_written in ((True, 1), (True, 1), (False, 0), (False, 0), (True, 1)):
        log.switch(on=on)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            for hear in events.ended:
                hear(WHOLE)
        assert len(caplog.records) == lines_written
