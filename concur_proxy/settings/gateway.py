"""Every setting of the gateway: its name, default, unit and bounds.

Values come from flags (the constructor's arguments), then `CONCUR_*` environment variables, then the TOML or YAML file
named by `config`, then the defaults. `concur_proxy.cli.load` turns what pydantic says of a wrong value into one line
that names its source.
"""

from pathlib import Path
from typing import Literal, Self, get_origin

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from concur_proxy.control.options import OptionValue
from concur_proxy.engines.address import EngineAddress, addresses
from concur_proxy.recognition.recogniser import DEFAULT_RECOGNISERS, DEFAULT_SESSION_FIELDS, DEFAULT_SESSION_HEADERS
from concur_proxy.settings.kinds import (
    AdminKey,
    BearerKey,
    BodyField,
    CollectorUrl,
    EngineUrl,
    HeaderName,
    LeaseSeconds,
    LogLevel,
    NamedUrl,
    PathRule,
    endpoint_rule,
    split_list,
)
from concur_proxy.settings.secret_files import SecretFiles
from concur_proxy.settings.sources import ENV_PREFIX, ConfigFile, Environment
from concur_proxy.wire.request.endpoint_rule import EndpointRule
from concur_proxy.wire.request.view import DEFAULT_END_HEADERS

SDK_TIMEOUT_S = 600.0
"""When the OpenAI and Anthropic SDKs give a request up by default (openai 3.57 and anthropic 2.13, `_constants.py`)."""


class GatewaySettings(BaseSettings):
    """What an operator can set. Names that end in `_s` are seconds, in `_bytes` bytes. Frozen."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", allow_inf_nan=False
    )

    config: Path | None = Field(None, description="TOML or YAML file with these settings by name")

    engine: tuple[EngineUrl, ...] = Field(
        (), description="Base URL of an inference server, without `/v1`; several make a fleet; `#dp=N`: N ranks"
    )
    engine_dns: tuple[NamedUrl, ...] = Field(
        (),
        validate_default=True,
        description="The like, of a name each of whose addresses is an engine; asked for every 5 s",
    )
    engine_kinds: tuple[str, ...] = Field(
        (),
        description="Engine kinds to recognise, in order of preference; all by default",
    )
    scrape_interval_s: float = Field(1.0, ge=0.01, le=60, description="Time between two reads of an engine's metrics")
    scrape_timeout_s: float = Field(2.0, gt=0, le=60, description="Time after which such a read has failed")
    stale_after_s: float = Field(5.0, gt=0, description="Age at which signals are stale and the window stays as it is")
    fail_open_after_s: float = Field(15.0, gt=0, description="Age at which `fallback_window` replaces the window")
    fallback_window: int = Field(256, ge=1, description="Active sessions allowed while signals are missing")
    health_interval_s: float = Field(
        5.0, ge=0, le=600, description="Time between two questions for an engine's `/health`; 0 for none"
    )
    placement: str = Field("least-pressure", min_length=1, description="How new sessions are placed on engines")
    order: str = Field("resuming-first", min_length=1, description="Order in which waiting sessions are admitted")
    move_after_s: float = Field(
        8.0, ge=0, description="Wait for its own engine after which a paused session may resume on another"
    )
    connect_timeout_s: float = Field(5.0, gt=0, le=600, description="Time allowed to connect to an engine")

    engine_api_key: BearerKey | None = Field(
        None, description="Key for the gateway's own questions to engines that want one; clients send theirs"
    )

    engine_api_key_file: Path | None = Field(
        None, description="File with the `engine_api_key`, such as a Docker secret"
    )

    admin_key: AdminKey | None = Field(
        None,
        description="Key for `/concur/` and `/concur/v1/`; without one they are for callers on this machine",
    )

    admin_key_file: Path | None = Field(None, description="File with the `admin_key`, such as a Docker secret")

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; `0.0.0.0` for all of them")
    port: int = Field(8300, ge=0, le=65535, description="TCP port to listen on; 0 for any free one")
    workers: int = Field(1, ge=1, le=256, description="Processes behind the port; more than one need `store = redis`")
    drain_timeout_s: float = Field(
        30.0, ge=0, description="Time for answers in flight to end after SIGTERM; held requests are refused at once"
    )

    law: str = Field("tokens", min_length=1, description="Control law that moves the window")
    law_options: dict[str, OptionValue] = Field(
        default_factory=dict, description="Options of the law; JSON in the environment, a table in a file"
    )
    mode: Literal["enforce", "observe"] = Field(
        "enforce", description="`observe` holds nobody, whatever the law, and only counts whom it would have held"
    )
    work_conserving: bool = Field(
        default=True, description="Hold nobody while an engine has nothing waiting and free cache, whatever the window"
    )

    recognisers: tuple[str, ...] = Field(
        DEFAULT_RECOGNISERS, description="Ways to find a request's session, asked in this order"
    )
    session_headers: tuple[HeaderName, ...] = Field(
        DEFAULT_SESSION_HEADERS, description="Headers that may name a request's session; the first found counts"
    )
    session_body_fields: tuple[BodyField, ...] = Field(
        DEFAULT_SESSION_FIELDS, description="Body fields that may name it, asked after the headers; dots go deeper"
    )
    session_end_headers: tuple[HeaderName, ...] = Field(
        DEFAULT_END_HEADERS, description="Headers that are `true` on a session's last request"
    )
    session_ttl_s: float = Field(1800.0, gt=0, description="Silence after which a session is forgotten")
    idle_lease: LeaseSeconds = Field(
        "auto", description="Seconds that a session in a tool call keeps its place; `auto` learns them"
    )

    max_waiting_sessions: int = Field(10_000, ge=1, description="Sessions that may wait; further ones get HTTP 429")
    max_hold_s: float = Field(
        540.0, gt=0, description="Longest wait, then HTTP 429; keep it under the clients' time-out, 600 s in the SDKs"
    )
    keepalive_comments_s: float = Field(
        0.0, ge=0, description="Time between SSE comments that keep a held stream's connection alive; 0 for none"
    )

    ask_usage: bool = Field(
        default=True, description="Ask engines for a stream's token usage, and remove it where the client did not ask"
    )
    tell_clients: bool = Field(
        default=True,
        description="Name requests by `x-request-id` and tell clients by `x-concur-*` headers what became of theirs",
    )
    allow_paths: tuple[PathRule, ...] = Field(
        (), description="Further paths, as `POST /path` or `GET,POST /path/*`; after `generate:`, under admission"
    )
    max_body_bytes: int = Field(64 * 1024**2, ge=1024, description="Largest request body")
    max_header_bytes: int = Field(65536, ge=1024, description="Largest request head")

    record: Path | None = Field(
        None, description="File to which times and token counts of every answer are appended, for `simulate --trace`"
    )
    store: Literal["memory", "redis"] = Field(
        "memory", description="Where sessions are kept: `memory`, or `redis` for several gateways"
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        min_length=1,
        description="Redis 7 or Valkey: `redis://`, `rediss://`, `unix://`, `redis+sentinel://`, `redis+cluster://`",
    )
    redis_url_file: Path | None = Field(None, description="File with the `redis_url`, for a URL with a password")
    redis_prefix: str = Field("concur", min_length=1, description="Begins every key; gateways that share it are one")
    log_level: LogLevel = Field("info", description="Least level that is logged: debug, info, warning or error")
    log_format: Literal["text", "json"] = Field("text", description="Form of a log line: text or json")
    log_requests: bool = Field(default=False, description="Log a line for each request when it is over")
    hash_sessions: bool = Field(
        default=False, description="Name sessions in logs and traces by the SHA-256 of their keys, 16 digits of it"
    )
    otlp_endpoint: CollectorUrl | None = Field(
        None, description="OpenTelemetry collector that gets a trace of each request, as `http://collector:4318`"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours decodes lists as an operator writes them
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no file is read that was not named
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - a secret's file is named by a setting
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, configuration file, in order of precedence; then the files of secrets they name."""
        return init_settings, Environment(settings_cls), ConfigFile(settings_cls), SecretFiles(settings_cls)

    @property
    def addresses(self) -> tuple[EngineAddress, ...]:
        """`engine`, a server's ranks as one each."""
        return tuple(address for text in self.engine for address in addresses(text))

    @property
    def endpoint_rules(self) -> tuple[EndpointRule, ...]:
        """`allow_paths`, parsed."""
        return tuple(endpoint_rule(text) for text in self.allow_paths)

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: object, info: ValidationInfo) -> object:
        name = info.field_name or ""
        kind = cls.model_fields[name].annotation
        if isinstance(value, bool) and kind is not bool:
            # pydantic would take true for 1
            raise ValueError("must not be true or false")
        if isinstance(value, str) and get_origin(kind) is tuple:
            return split_list(name, value)
        return value

    @field_validator("engine")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        urls = [text.partition("#")[0] for text in value]
        twice = [url for url in urls if urls.count(url) > 1]
        if twice:
            raise ValueError(f"names {twice[0]} twice: name each engine once")
        return value

    @field_validator("engine_dns")
    @classmethod
    def _any_engine(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not value and info.data.get("engine") == ():
            raise PydanticCustomError("no_engine", "no engine given")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.stale_after_s <= self.scrape_interval_s:
            raise _disagreement("stale_after_s", "more than", "scrape_interval_s", "else each reading ends stale")
        if self.workers > 1 and self.store == "memory":
            reason = "each would have a window of its own; use store = redis"
            raise _disagreement("workers", "1 with the present", "store", reason)
        if self.fail_open_after_s < self.stale_after_s:
            raise _disagreement("fail_open_after_s", "at least", "stale_after_s", "the window freezes before it opens")
        return self


def _disagreement(first: str, relation: str, second: str, reason: str) -> PydanticCustomError:
    """An error between two settings, with both names for whoever tells where their values came from."""
    message = "{first} must be {relation} {second}: {reason}"
    return PydanticCustomError(
        "settings_disagree", message, {"first": first, "relation": relation, "second": second, "reason": reason}
    )
