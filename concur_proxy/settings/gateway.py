"""Every setting of the gateway: its name, default, unit and bounds.

A flag (an argument of the constructor) overrides a `CONCUR_*` environment variable, which overrides the TOML or YAML
file named by `config`, which overrides the default. A secret can also be in a file of its own, see `secret_files`.
`concur_proxy.cli.load` turns pydantic's errors into one line each that names the source of the wrong value.
"""

from pathlib import Path
from typing import Literal, Self, get_origin

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from concur_proxy.control.options import OptionValue
from concur_proxy.engines.address import EngineAddress, addresses
from concur_proxy.recognition.clients import DEFAULT_SESSION_FIELDS, DEFAULT_SESSION_HEADERS
from concur_proxy.recognition.recogniser import DEFAULT_RECOGNISERS, RecogniserOptions
from concur_proxy.settings.kinds import (
    AdminKey,
    BearerKey,
    BodyField,
    CapacityTokens,
    CollectorUrl,
    EngineUrl,
    HeaderName,
    LeaseSeconds,
    LogLevel,
    NamedUrl,
    PathRule,
    RootPath,
    capacity,
    endpoint_rule,
    split_list,
)
from concur_proxy.settings.secret_files import SecretFiles
from concur_proxy.settings.sources import ENV_PREFIX, ConfigFile, Environment
from concur_proxy.wire.request.endpoint_rule import EndpointRule
from concur_proxy.wire.request.view import DEFAULT_END_HEADERS

SDK_TIMEOUT_S = 600.0
"""Default timeout of the OpenAI and Anthropic SDKs (openai 3.57 and anthropic 2.13, `_constants.py`)."""


class GatewaySettings(BaseSettings):
    """What an operator can set. Names that end in `_s` are in seconds, those that end in `_bytes` in bytes."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", allow_inf_nan=False
    )

    config: Path | None = Field(None, description="TOML or YAML file with these settings by name")

    engine: tuple[EngineUrl, ...] = Field(
        (),
        description="Base URL of an inference server, without `/v1`; `#dp=N` at its end for N data-parallel ranks",
    )
    engine_dns: tuple[NamedUrl, ...] = Field(
        (),
        validate_default=True,
        description="DNS name as `http://name:port`; every address behind it is an engine; resolved again every 5 s",
    )
    engine_kinds: tuple[str, ...] = Field(
        (),
        description="Engine kinds to recognise, in order of preference; all by default",
    )
    capacity_tokens: tuple[CapacityTokens, ...] = Field(
        (),
        description="Size of an engine's KV cache in tokens, if its metrics are wrong: a number for all engines, or "
        "`URL=number` for one",
    )
    scrape_interval_s: float = Field(
        1.0, ge=0.01, le=60, description="Seconds between two reads of an engine's metrics"
    )
    scrape_timeout_s: float = Field(
        2.0, gt=0, le=60, description="Seconds after which a read of an engine's metrics has failed"
    )
    stale_after_s: float = Field(
        5.0, gt=0, description="Age in seconds at which metrics are stale; the window then stays unchanged"
    )
    fail_open_after_s: float = Field(
        15.0, gt=0, description="Age of the metrics in seconds at which `fallback_window` replaces the window"
    )
    fallback_window: int = Field(256, ge=1, description="Sessions that an engine may run while its metrics are missing")
    health_interval_s: float = Field(
        5.0, ge=0, le=600, description="Seconds between two requests to an engine's `/health`; 0 for none"
    )
    placement: str = Field(
        "least-pressure", min_length=1, description="How the gateway chooses an engine for a new session"
    )
    order: str = Field("resuming-first", min_length=1, description="Order in which waiting sessions are admitted")
    move_after_s: float = Field(
        8.0,
        ge=0,
        description="Seconds that a session waits to resume on its own engine before it may resume on another one",
    )
    connect_timeout_s: float = Field(5.0, gt=0, le=600, description="Seconds allowed to connect to an engine")

    engine_api_key: BearerKey | None = Field(
        None, description="API key for the gateway's own requests to engines; clients send their own keys"
    )

    engine_api_key_file: Path | None = Field(
        None, description="File that contains the API key for engines, such as a Docker or Kubernetes secret"
    )

    admin_key: AdminKey | None = Field(
        None,
        description="Key for `/concur/` and `/concur/v1/`; without a key only callers on this machine may use them",
    )

    admin_key_file: Path | None = Field(
        None, description="File that contains the admin key, such as a Docker or Kubernetes secret"
    )

    host: tuple[str, ...] = Field(
        ("127.0.0.1",),
        description="Addresses to listen on; `::` for all of this machine, `0.0.0.0` for its IPv4 addresses",
    )
    port: int = Field(8300, ge=0, le=65535, description="TCP port to listen on; 0 for any free port")
    root_path: RootPath = Field(
        "", description="Path under which an ingress publishes the gateway, such as `/llm`; it is removed from requests"
    )
    workers: int = Field(
        1, ge=1, le=256, description="Gateway processes that share the port; more than 1 need `store = redis`"
    )
    drain_timeout_s: float = Field(
        30.0,
        ge=0,
        description="Seconds for answers in flight to end after SIGTERM; waiting requests are refused at once",
    )

    keep_alive_s: float = Field(
        125.0,
        gt=0,
        description="Seconds that an idle connection stays open; keep it longer than a load balancer's idle timeout "
        "(Azure 120, Google Cloud 600, Envoy 3600)",
    )
    head_timeout_s: float = Field(10.0, gt=0, description="Seconds that a client may take to send a request's head")
    body_timeout_s: float = Field(
        30.0, gt=0, description="Seconds that a client may pause while it sends a request's body"
    )
    send_timeout_s: float = Field(
        60.0, gt=0, description="Seconds that a client may take no byte of its answer before it counts as gone"
    )
    max_connections: int = Field(
        10_000, ge=1, description="Connections of clients at once; the limit of open files can lower it"
    )
    max_connections_per_client: int = Field(
        0, ge=0, description="Connections from one address at once; 0 for no limit, as behind a load balancer"
    )

    law: str = Field("tokens", min_length=1, description="Control law that raises and lowers the window")
    law_options: dict[str, OptionValue] = Field(
        default_factory=dict, description="Options of the control law; JSON in the environment, a table in a file"
    )
    mode: Literal["enforce", "observe"] = Field(
        "enforce",
        description="`enforce`, or `observe`: no request waits, and the gateway counts those that would have waited",
    )
    work_conserving: bool = Field(
        default=True,
        description="Admit sessions beyond the window while an engine has free cache and no waiting requests",
    )

    recognisers: tuple[str, ...] = Field(
        DEFAULT_RECOGNISERS, description="Ways to find a request's session, asked in this order"
    )
    session_headers: tuple[HeaderName, ...] = Field(
        DEFAULT_SESSION_HEADERS, description="Headers that may name a request's session; the first one present counts"
    )
    session_body_fields: tuple[BodyField, ...] = Field(
        DEFAULT_SESSION_FIELDS,
        description="Body fields that may name the session if no header does; a dot leads to a nested field",
    )
    session_end_headers: tuple[HeaderName, ...] = Field(
        DEFAULT_END_HEADERS, description="Headers that are `true` on a session's last request"
    )
    session_ttl_s: float = Field(
        1800.0, gt=0, description="Seconds without a request after which a session is forgotten"
    )
    idle_lease: LeaseSeconds = Field(
        "auto",
        description="Seconds that a session keeps its place between turns; `auto` learns them from the tool calls seen",
    )

    max_waiting_sessions: int = Field(
        10_000, ge=1, description="Sessions that may wait; a request of another session gets HTTP 429"
    )
    max_hold_s: float = Field(
        540.0,
        gt=0,
        description="Longest wait in seconds, then HTTP 429; keep it below the clients' timeout, 600 s in the SDKs",
    )
    keepalive_comments_s: float = Field(
        0.0, ge=0, description="Seconds between SSE comments that keep a waiting stream's connection alive; 0 for none"
    )
    keepalive_chunks: bool = Field(
        default=False,
        description="Send an empty chunk with each comment in chat, for clients that give up if no event comes",
    )

    ask_usage: bool = Field(
        default=True,
        description="Ask engines for a stream's token usage, and remove it if the client did not ask for it",
    )
    tell_clients: bool = Field(
        default=True,
        description="Set `x-request-id`, and report wait, engine and session state in `x-concur-*` headers",
    )
    allow_paths: tuple[PathRule, ...] = Field(
        (),
        description="More paths to pass on, as `GET,POST /path/*`; with `generate:` in front, they need admission",
    )
    max_body_bytes: int = Field(64 * 1024**2, ge=1024, description="Largest request body in bytes")
    max_buffered_bytes: int = Field(
        256 * 1024**2,
        ge=1024,
        description="Bytes of all request bodies together that the gateway holds while they arrive",
    )
    max_header_bytes: int = Field(65536, ge=1024, description="Largest request head in bytes")

    record: Path | None = Field(
        None,
        description="File to which the times and token counts of every answer are appended, for `simulate --trace`",
    )
    store: Literal["memory", "redis"] = Field(
        "memory", description="Where sessions are kept: `memory`, or `redis` for several gateways"
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        min_length=1,
        description="URL of Redis 7 or Valkey: `redis://`, `rediss://`, `unix://`, `redis+sentinel://`, `redis+cluster://`",
    )
    redis_url_file: Path | None = Field(None, description="File that contains the Redis URL, for a URL with a password")
    redis_prefix: str = Field(
        "concur", min_length=1, description="Start of every key in Redis; gateways with the same prefix act as one"
    )
    log_level: LogLevel = Field("info", description="Lowest level that is logged: debug, info, warning or error")
    log_format: Literal["text", "json"] = Field("text", description="Format of a log line: text or json")
    log_requests: bool = Field(default=False, description="Log one line for each finished request")
    hash_sessions: bool = Field(
        default=False, description="Replace session keys in logs and traces by the first 16 digits of their SHA-256"
    )
    otlp_endpoint: CollectorUrl | None = Field(
        None,
        description="URL of an OpenTelemetry collector that gets a trace of each request, as `http://collector:4318`",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - `Environment` reads lists as an operator writes them
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the gateway reads only files that a setting names
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - a secret's file is named by a setting
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources in order of precedence. The files of secrets come last, because the other sources name them."""
        return init_settings, Environment(settings_cls), ConfigFile(settings_cls), SecretFiles(settings_cls)

    @property
    def addresses(self) -> tuple[EngineAddress, ...]:
        """The engines of `engine`: each data-parallel rank of a server is one."""
        return tuple(address for text in self.engine for address in addresses(text))

    def capacity_of(self, *names: str) -> int | None:
        """The size of a cache by `capacity_tokens`: that of the first of `names` with one of its own, or that of all
        engines. `names` are an engine's URL and the `engine_dns` name behind which it is.
        """
        sizes = dict(capacity(text) for text in self.capacity_tokens)
        return next((sizes[name] for name in (*names, "") if name in sizes), None)

    @property
    def endpoint_rules(self) -> tuple[EndpointRule, ...]:
        return tuple(endpoint_rule(text) for text in self.allow_paths)

    @property
    def recogniser_options(self) -> RecogniserOptions:
        return RecogniserOptions(session_headers=self.session_headers, session_body_fields=self.session_body_fields)

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: object, info: ValidationInfo) -> object:
        name = info.field_name or ""
        kind = cls.model_fields[name].annotation
        if isinstance(value, bool) and kind is not bool:
            # pydantic would accept true as 1
            raise ValueError("must not be true or false")
        if isinstance(value, int) and name == "capacity_tokens":
            return [str(value)]
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

    @field_validator("host")
    @classmethod
    def _any_host(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("must not be empty")
        return value

    @field_validator("capacity_tokens")
    @classmethod
    def _one_size_each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = [capacity(text)[0] for text in value]
        if len(set(names)) < len(names):
            raise ValueError("names an engine twice: write one number for all engines, and one for each that differs")
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
            raise _disagreement("stale_after_s", "more than", "scrape_interval_s", "else every reading becomes stale")
        if self.workers > 1 and self.store == "memory":
            reason = "each process would have its own window; use store = redis"
            raise _disagreement("workers", "1 with", "store", reason)
        if self.fail_open_after_s < self.stale_after_s:
            raise _disagreement(
                "fail_open_after_s",
                "at least",
                "stale_after_s",
                "the window stays unchanged before it is replaced",
            )
        return self


def _disagreement(first: str, relation: str, second: str, reason: str) -> PydanticCustomError:
    """An error about two settings. It carries both names, so that its message can say where their values came from."""
    message = "{first} must be {relation} {second}: {reason}"
    return PydanticCustomError(
        "settings_disagree", message, {"first": first, "relation": relation, "second": second, "reason": reason}
    )
