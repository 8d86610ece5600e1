"""The objects that every exchange needs. They are made once, from the settings."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from concur_proxy import plugins
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.recognition.recogniser import RecogniserChain
from concur_proxy.recognition.tenants import Tenants
from concur_proxy.relay.cors import CorsMemory
from concur_proxy.relay.open_requests import OpenRequests
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.telemetry.events import RequestEvents
from concur_proxy.upstream.client import Upstream
from concur_proxy.wire.request.endpoints import EndpointCatalogue
from concur_proxy.wire.request.view import RequestReader

logger = logging.getLogger(__name__)

MAX_REPORTED = 100
"""Different errors of recognisers that are logged, each once: one of them for every request would fill the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOptions:
    """The relay's settings."""

    max_body_bytes: int
    max_buffered_bytes: int
    max_buffered_bytes_per_tenant: int
    """0 for no limit; a client key can have its own."""
    max_connections_per_tenant: int
    """As above."""
    max_header_bytes: int
    max_hold_s: float
    ask_usage: bool
    tell_clients: bool
    keepalive_comments_s: float
    """Seconds between SSE comments to a waiting streaming request; 0 for none."""
    keepalive_chunks: bool
    """Whether a waiting chat stream also gets chunks with an empty delta."""
    hash_sessions: bool

    @classmethod
    def of(cls, settings: GatewaySettings) -> "RelayOptions":
        """Take the relay's part of the settings."""
        return cls(
            max_body_bytes=settings.max_body_bytes,
            max_buffered_bytes=settings.buffered_bytes,
            max_buffered_bytes_per_tenant=settings.max_buffered_bytes_per_tenant,
            max_connections_per_tenant=settings.max_connections_per_tenant,
            max_header_bytes=settings.max_header_bytes,
            max_hold_s=settings.max_hold_s,
            ask_usage=settings.ask_usage,
            tell_clients=settings.tell_clients,
            keepalive_comments_s=settings.keepalive_comments_s,
            keepalive_chunks=settings.keepalive_chunks,
            hash_sessions=settings.hash_sessions,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayParts:
    """The objects that all exchanges share."""

    options: RelayOptions
    catalogue: EndpointCatalogue
    reader: RequestReader
    recognisers: RecogniserChain
    coordinator: Coordinator
    monitors: Mapping[str, EngineMonitor]
    upstream: Upstream
    events: RequestEvents
    clock: Callable[[], float]
    open_requests: OpenRequests = field(default_factory=OpenRequests)
    cors: CorsMemory = field(default_factory=CorsMemory)
    fingerprints: dict[str, bytes | None] = field(default_factory=dict)
    """The last `system_fingerprint` of each engine, see `StreamTap`; None for an engine that sends none."""
    tenants: Tenants = field(default_factory=Tenants)
    engine_key: str | None = None
    """The API key for engines, which takes the place of the client's key; None: the client's own credential passes."""

    @classmethod
    def of(
        cls,
        settings: GatewaySettings,
        *,
        catalogue: EndpointCatalogue,
        coordinator: Coordinator,
        monitors: Mapping[str, EngineMonitor],
        upstream: Upstream,
        events: RequestEvents,
        clock: Callable[[], float],
        tenants: Tenants,
    ) -> "RelayParts":
        """Build what depends only on the settings."""
        recognisers = _recognisers(settings)
        return cls(
            options=RelayOptions.of(settings),
            catalogue=catalogue,
            reader=RequestReader(settings.session_end_headers, recognisers.body_fields),
            recognisers=recognisers,
            coordinator=coordinator,
            monitors=monitors,
            upstream=upstream,
            events=events,
            clock=clock,
            tenants=tenants,
            engine_key=settings.engine_api_key if tenants.has_keys else None,
        )


def _recognisers(settings: GatewaySettings) -> RecogniserChain:
    options, reported = settings.recogniser_options, set[str]()

    def on_error(error: Exception) -> None:
        if repr(error) not in reported and len(reported) < MAX_REPORTED:
            reported.add(repr(error))
            logger.error("a recogniser failed and is left out for this request", exc_info=error)

    return RecogniserChain(
        (plugins.build(plugins.RECOGNISERS, name, options) for name in settings.recognisers), on_error
    )
