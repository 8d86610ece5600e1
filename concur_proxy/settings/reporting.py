"""The settings of what the gateway reports about its requests: log, recording and traces, see `GatewaySettings`."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from concur_proxy.settings.kinds import CollectorUrl, LogLevel


class ReportingSettings(BaseSettings):
    """Where reports go, and how much they say."""

    record: Path | None = Field(
        None,
        description="File to which the times and token counts of every answer are appended, for `report` and"
        " `simulate --trace`",
    )
    log_level: LogLevel = Field("info", description="Lowest level that is logged: debug, info, warning or error")
    log_format: Literal["text", "json"] = Field("text", description="Format of a log line: text or json")
    log_requests: bool = Field(default=False, description="Log one line for each finished request")
    hash_sessions: bool = Field(
        default=False,
        description="Replace session keys and tenants in logs and traces by the first 16 digits of their SHA-256",
    )
    otlp_endpoint: CollectorUrl | None = Field(
        None,
        description="URL of an OpenTelemetry collector that gets a trace of each request, as `http://collector:4318`",
    )
