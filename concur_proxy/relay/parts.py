"""What every exchange needs, made once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from concur_proxy import plugins
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.recognition.recogniser import RecogniserChain, RecogniserOptions
from concur_proxy.relay.response_homes import ResponseHomes
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.telemetry.generations import GenerationMetrics
from concur_proxy.telemetry.recorder import TraceRecorder
from concur_proxy.telemetry.request_note import RequestNote
from concur_proxy.telemetry.requests import RequestMetrics
from concur_proxy.telemetry.tracing import Tracing
from concur_proxy.upstream.client import Upstream
from concur_proxy.wire.request.endpoints import EndpointCatalogue
from concur_proxy.wire.request.view import RequestReader


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOptions:
    """The relay's settings."""

    max_body_bytes: int
    max_header_bytes: int
    max_hold_s: float
    ask_usage: bool
    tell_clients: bool
    keepalive_comments_s: float
    """Seconds between SSE comments to a held streaming request; 0 for none."""
    log_requests: bool
    hash_sessions: bool

    @classmethod
    def of(cls, settings: GatewaySettings) -> "RelayOptions":
        """The relay's part of the settings."""
        return cls(
            max_body_bytes=settings.max_body_bytes,
            max_header_bytes=settings.max_header_bytes,
            max_hold_s=settings.max_hold_s,
            ask_usage=settings.ask_usage,
            tell_clients=settings.tell_clients,
            keepalive_comments_s=settings.keepalive_comments_s,
            log_requests=settings.log_requests,
            hash_sessions=settings.hash_sessions,
        )


def recognisers_of(settings: GatewaySettings) -> RecogniserChain:
    """Build the recognisers that the settings name, in their order."""
    options = RecogniserOptions(
        session_headers=settings.session_headers, session_body_fields=settings.session_body_fields
    )
    return RecogniserChain(plugins.load(plugins.RECOGNISERS, name)(options) for name in settings.recognisers)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayParts:
    """The parts that exchanges share."""

    options: RelayOptions
    catalogue: EndpointCatalogue
    reader: RequestReader
    recognisers: RecogniserChain
    coordinator: Coordinator
    monitors: Mapping[str, EngineMonitor]
    upstream: Upstream
    metrics: RequestMetrics
    generations: GenerationMetrics
    tracing: Tracing
    clock: Callable[[], float]
    recorder: TraceRecorder | None = None
    response_homes: ResponseHomes = field(default_factory=ResponseHomes)
    fingerprints: dict[str, bytes | None] = field(default_factory=dict)
    """The last `system_fingerprint` of each engine, see `StreamTap`; None for one that sends none."""

    def failed(self, note: RequestNote, reason: str) -> None:
        """The gateway itself answers with an error, or an answer has broken off: noted of the request, and counted."""
        note.failure = reason
        self.metrics.failed(reason)

    def learn_response(self, response_id: str, *, engine: str, session: str | None) -> None:
        """An answer's id is known (responses API): later requests name it."""
        self.response_homes.learn(response_id, engine)
        if session is not None:
            self.recognisers.learn(response_id, session)
