"""Log lines on standard error, as text for people or as JSON for machines."""

import json
import logging
import re
import sys
from datetime import UTC, datetime

from concur_proxy.telemetry.request_note import NOTE

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What would end a line or move a terminal's cursor: clients name models, and engines answer, with any text."""


class TextFormatter(logging.Formatter):
    """A line for people; one about a request ends with the request's id, session and trace."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, before the traceback."""
        about = " ".join(f"{name}={value}" for name, value in _request().items())
        line = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], super().formatMessage(record).rstrip("\n"))
        return f"{line} [{about}]" if about else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and the traceback where there is one; about a request
    also its `request_id`, `session` and `trace_id`, and what is known of it when it is over.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_request(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _request() -> dict[str, str]:
    """What names the request that is being served."""
    note = NOTE.get()
    if note is None:
        return {}
    names = {"request_id": note.request_id, "session": note.session, "trace_id": note.span.trace_id}
    return {name: value for name, value in names.items() if value is not None}


def configure_logging(*, level: str, style: str) -> None:
    """Send everything from `level` up to standard error; `style` is `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every scrape helps nobody
