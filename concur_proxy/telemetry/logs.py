"""Log lines on standard error, as text for people or as JSON for machines, and a line about each request."""

import json
import logging
import re
import sys
from datetime import UTC, datetime

from concur_proxy.telemetry.events import CURRENT, RequestEvents, RequestRecord

logger = logging.getLogger(__name__)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that end a line or move a terminal's cursor. Clients and engines can put any text into a line."""


class TextFormatter(logging.Formatter):
    """Lines for people. A line about a request ends with the request's id, tenant, session and trace."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line without the traceback."""
        about = " ".join(f"{name}={value}" for name, value in _current().items())
        line = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], super().formatMessage(record).rstrip("\n"))
        return f"{line} [{about}]" if about else line


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message, and the traceback if there is one.

    A line about a request also has its `request_id`, `session` and `trace_id`, and its `tenant` if there are several.
    The line at its end has all its facts.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_current(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _current() -> dict[str, str]:
    """Return what identifies the request that is being served."""
    current = CURRENT.get()
    if current is None:
        return {}
    names = {
        "request_id": current.request_id,
        "tenant": current.tenant,
        "session": current.session,
        "trace_id": current.trace_id,
    }
    return {name: value for name, value in names.items() if value is not None}


def silence_uvicorn() -> None:
    """Drop what uvicorn logs from now on. When a server ends at once, it reports each unfinished request as an error,
    with a traceback.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


def configure_logging(*, level: str, style: str) -> None:
    """Send everything from `level` up to standard error. `style` is `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # httpx writes a line for every scrape


class RequestLog:
    """Writes a line about each request when it has ended, while it is switched on."""

    def __init__(self, events: RequestEvents) -> None:
        self._subscribers = events.ended

    def switch(self, *, on: bool) -> None:
        """Switch it on or off."""
        if log_request in self._subscribers:
            self._subscribers.remove(log_request)
        if on:
            self._subscribers.append(log_request)


def log_request(record: RequestRecord) -> None:
    """Write the line about a request that has ended."""
    waits = [attempt.wait_s for attempt in record.attempts if attempt.outcome is not None]
    last = record.attempts[-1] if record.attempts else None
    first_token_s = None
    if record.is_stream and last is not None and last.first_token_at is not None and last.arrived_at is not None:
        first_token_s = round(last.first_token_at - last.arrived_at, 4)
    usage = None if last is None else last.usage
    facts: dict[str, object] = {
        "method": record.method,
        "route": record.route,
        "status": record.status,
        "recognised_by": record.recognised_by or None,
        "duration_s": round(record.ended_at - record.began_at, 4),
        "queue_wait_s": round(sum(waits), 4) if waits else None,
        "first_token_s": first_token_s,
        "engine": next((attempt.engine for attempt in reversed(record.attempts) if attempt.sent_at is not None), None),
        "model": record.model,
        "prompt_tokens": None if usage is None else usage.prompt_tokens,
        "cached_tokens": None if usage is None else usage.cached_tokens,
        "completion_tokens": None if usage is None else usage.completion_tokens,
        "failure": record.failure,
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    text = " ".join(f"{name}={value}" for name, value in facts.items() if name not in {"method", "route", "status"})
    logger.info("%s %s %s: %s", record.method, record.route or "-", record.status or "-", text, extra={"facts": facts})
