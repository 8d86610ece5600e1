"""The settings of the engines, see `GatewaySettings`."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings

from concur_proxy.engines.address import EngineAddress, addresses
from concur_proxy.engines.pages import MetricsPage, roles_problem
from concur_proxy.settings.kinds import (
    BearerKey,
    CapacityTokens,
    EngineUrl,
    MetricsUrl,
    NamedUrl,
    capacity,
    metrics_page,
)
from concur_proxy.settings.units import Seconds


class EngineSettings(BaseSettings):
    """The engines, how they are read, and how sessions are placed on them."""

    left_out: ClassVar[frozenset[str] | None] = None
    """Of a draft: the settings whose values were wrong, see `drafts`. None: these are no draft."""

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
    metrics_url: tuple[MetricsUrl, ...] = Field(
        (),
        description="Where an engine's metrics are, if it is a router or proxy, as `URL=PAGE`; several items for one "
        "engine are its servers; `#prefill` or `#decode` at the end of each for a disaggregated pair",
    )
    scrape_interval_s: Seconds = Field(
        1.0, ge=0.01, le=60, description="Seconds between two reads of an engine's metrics"
    )
    scrape_timeout_s: Seconds = Field(
        2.0, gt=0, le=60, description="Seconds after which a read of an engine's metrics has failed"
    )
    stale_after_s: Seconds = Field(
        5.0, gt=0, description="Age in seconds at which metrics are stale; the window then stays unchanged"
    )
    fail_open_after_s: Seconds = Field(
        15.0, gt=0, description="Age of the metrics in seconds at which `fallback_window` replaces the window"
    )
    fallback_window: int = Field(256, ge=1, description="Sessions that an engine may run while its metrics are missing")
    health_interval_s: Seconds = Field(
        5.0, ge=0, le=600, description="Seconds between two requests to an engine's `/health`; 0 for none"
    )
    placement: str = Field(
        "least-pressure", min_length=1, description="How the gateway chooses an engine for a new session"
    )
    order: str = Field("fair", min_length=1, description="Order in which waiting sessions are admitted")
    move_after_s: Seconds = Field(
        8.0,
        ge=0,
        description="Seconds that a session waits to resume on its own engine before it may resume on another one",
    )
    connect_timeout_s: Seconds = Field(5.0, gt=0, le=600, description="Seconds allowed to connect to an engine")
    engine_first_byte_timeout_s: Seconds = Field(
        0.0,
        ge=0,
        description="Seconds from sending a request to the beginning of its answer, then HTTP 504; 0 for no limit,"
        " because an answer that is no stream begins when it is complete",
    )
    engine_idle_timeout_s: Seconds = Field(
        0.0, ge=0, description="Longest pause in an engine's answer in seconds, then it is cut off; 0 for no limit"
    )

    engine_api_key: BearerKey | None = Field(
        None, description="API key for the gateway's own requests to engines; clients send their own keys"
    )

    engine_api_key_file: Path | None = Field(
        None, description="File that contains the API key for engines, such as a Docker or Kubernetes secret"
    )

    engine_ca_file: Path | None = Field(
        None,
        description="PEM file with the certificate authorities of `https` engines; by default the system's are trusted",
    )

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

    def metrics_pages(self, url: str) -> list[MetricsPage]:
        """The pages of `metrics_url` for the engine at this URL. Empty: it has its metrics itself."""
        return [page for engine, page in map(metrics_page, self.metrics_url) if engine == url]

    @field_validator("engine")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        urls = [text.partition("#")[0] for text in value]
        twice = [url for url in urls if urls.count(url) > 1]
        if twice:
            raise ValueError(f"names {twice[0]} twice: name each engine once")
        return value

    @field_validator("capacity_tokens")
    @classmethod
    def _one_size_each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = [capacity(text)[0] for text in value]
        if len(set(names)) < len(names):
            raise ValueError("names an engine twice: write one number for all engines, and one for each that differs")
        return value

    @field_validator("metrics_url")
    @classmethod
    def _roles_that_fit(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("names a page twice")
        pages: dict[str, list[MetricsPage]] = {}
        for engine, page in map(metrics_page, value):
            pages.setdefault(engine, []).append(page)
        for engine, each in pages.items():
            if problem := roles_problem(page.role for page in each):
                raise ValueError(f"{engine}: {problem}")
        return value

    @field_validator("engine_dns")
    @classmethod
    def _any_engine(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        is_known = not {"config", "engine", "engine_dns"} & (cls.left_out or frozenset())
        if not value and info.data.get("engine") == () and is_known:
            raise PydanticCustomError("no_engine", "no engine given")
        return value
