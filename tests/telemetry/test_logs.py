import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from concur_proxy.telemetry.logs import configure_logging
from concur_proxy.telemetry.request_note import NOTE, RequestNote


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


@pytest.fixture(name="note")
def _note() -> Iterator[RequestNote]:
    note = RequestNote(method="POST", request_id="r-1")
    token = NOTE.set(note)
    yield note
    NOTE.reset(token)


def test_a_line_about_a_request_names_it(note: RequestNote, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", style="json")
    logging.getLogger("x").info("sent on")
    note.of_session("agent-7")
    logging.getLogger("x").info("cut off")
    first, second = (json.loads(line) for line in lines(capsys))
    assert (first["request_id"], "session" in first) == ("r-1", False)
    assert (second["request_id"], second["session"]) == ("r-1", "agent-7")


def test_people_find_the_request_at_the_end_of_its_line(note: RequestNote, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", style="text")
    note.of_session("agent-7")
    logging.getLogger("x").warning("cut off")
    (line,) = lines(capsys)
    assert line.endswith(" WARNING cut off [request_id=r-1 session=agent-7]")
