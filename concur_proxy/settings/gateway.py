"""Every setting of the gateway: its name, default, unit and bounds. Some are in `engines`, `listening` and `reporting`.

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
from concur_proxy.recognition.clients import DEFAULT_SESSION_FIELDS, DEFAULT_SESSION_HEADERS
from concur_proxy.recognition.recogniser import DEFAULT_RECOGNISERS, RecogniserOptions
from concur_proxy.settings.admin_listen import (
    AUTO,
    AdminAddress,
    default_address,
    parse_admin_listen,
)
from concur_proxy.settings.client_keys import read_client_keys
from concur_proxy.settings.disagreements import disagreements
from concur_proxy.settings.engines import EngineSettings
from concur_proxy.settings.kinds import (
    AdminKey,
    BodyField,
    BufferedBytes,
    HeaderName,
    LeaseSeconds,
    PathRule,
    endpoint_rule,
    split_list,
)
from concur_proxy.settings.listening import ListeningSettings
from concur_proxy.settings.memory import default_buffered_bytes, memory_bytes
from concur_proxy.settings.reporting import ReportingSettings
from concur_proxy.settings.secret_files import SecretFiles
from concur_proxy.settings.sources import ENV_PREFIX, ConfigFile, Environment
from concur_proxy.settings.units import Seconds, Size
from concur_proxy.wire.request.endpoint_rule import EndpointRule
from concur_proxy.wire.request.view import DEFAULT_END_HEADERS

SDK_TIMEOUT_S = 600.0
"""Default timeout of the OpenAI and Anthropic SDKs (openai 3.57 and anthropic 2.13, `_constants.py`)."""


class GatewaySettings(ReportingSettings, ListeningSettings, EngineSettings):
    """What an operator can set. Names that end in `_s` are in seconds, those that end in `_bytes` in bytes."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", allow_inf_nan=False
    )

    config: Path | None = Field(None, description="TOML or YAML file with these settings by name")

    admin_key: AdminKey | None = Field(
        None,
        description="Key for `/concur/` and `/concur/v1/`; without a key only `admin_listen` serves them",
    )

    admin_key_file: Path | None = Field(
        None, description="File that contains the admin key, such as a Docker or Kubernetes secret"
    )

    client_keys_file: Path | None = Field(
        None,
        description="TOML file with the hashes of the keys that clients may use, and the tenant of each; a request"
        " without such a key gets HTTP 401. If `engine_api_key` is set too, engines get it instead of the client's key",
    )
    tenant_header: HeaderName | None = Field(
        None,
        description="Header that names a request's tenant, for a trusted proxy that sets it in every request and"
        " removes the client's own; without it and without `client_keys_file`, each credential is a tenant",
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

    goal: Literal["throughput", "balanced", "first-token"] = Field(
        "throughput",
        description="What matters most: `throughput`, the shortest total time; `first-token`, an early first token;"
        " `balanced`, the shortest total time with which waits are about as long as without control",
    )
    first_token_target_s: Seconds = Field(
        0.0,
        ge=0,
        description="Seconds within which the first token of 99 % of answers should come, wait included, with the goal"
        " `balanced` or `first-token`; 0 for no target",
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
    session_ttl_s: Seconds = Field(
        1800.0, gt=0, description="Seconds without a request after which a session is forgotten"
    )
    max_conversations: int = Field(
        100_000,
        ge=1,
        description="Conversations that are remembered, 4 kB each; beyond it, those without a place that have been idle"
        " longest are forgotten",
    )
    idle_lease: LeaseSeconds = Field(
        "auto",
        description="Seconds that a session keeps its place between turns; `auto` learns them from the tool calls seen",
    )

    max_waiting_sessions: int = Field(
        10_000, ge=1, description="Sessions that may wait; a request of another session gets HTTP 429"
    )
    max_hold_s: Seconds = Field(
        540.0,
        gt=0,
        description="Longest wait in seconds, then HTTP 429; keep it below the clients' timeout, 600 s in the SDKs",
    )
    keepalive_comments_s: Seconds = Field(
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
    max_body_bytes: Size = Field(64 * 1024**2, ge=1024, description="Largest request body in bytes")
    max_buffered_bytes: BufferedBytes = Field(
        "auto",
        description="Bytes of all request bodies together that one process holds while they arrive, wait and are "
        "answered, then HTTP 503; `auto`: a quarter of the memory, but at most 256 MiB without `client_keys_file`",
    )
    max_buffered_bytes_per_tenant: Size = Field(
        0,
        ge=0,
        description="The same for one tenant, then HTTP 429, unless its client key says otherwise; 0 for no limit",
    )
    max_header_bytes: Size = Field(65536, ge=1024, description="Largest request head in bytes")

    store: Literal["memory", "redis"] = Field(
        "memory",
        description="Where sessions are kept: `memory` of this gateway and its workers; `redis` for several gateways",
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

    @field_validator("client_keys_file")
    @classmethod
    def _readable_keys(cls, value: Path | None) -> Path | None:
        if value is not None:
            read_client_keys(value)
        return value

    @property
    def admin_address(self) -> AdminAddress | None:
        """Where the admin API listens in addition to the main port."""
        if self.admin_listen == AUTO and (self.admin_key is None or self.private_metrics):
            return default_address(self.port)
        return parse_admin_listen(self.admin_listen)

    @property
    def buffered_bytes(self) -> int:
        """The value of `max_buffered_bytes` in bytes."""
        if self.max_buffered_bytes != "auto":
            return self.max_buffered_bytes
        has_keys = self.client_keys_file is not None
        return default_buffered_bytes(memory_bytes(), workers=self.workers, has_keys=has_keys)

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

    @model_validator(mode="after")
    def _agree(self) -> Self:
        found = list(disagreements(self))
        if found and self.left_out is None:
            text = "; ".join(f"{each.first} must be {each.relation} {each.second}: {each.reason}" for each in found)
            raise PydanticCustomError("settings_disagree", "{text}", {"text": text})
        return self
