"""All reports of one gateway: metrics, lines about requests, spans and a recording of the load."""

from collections.abc import Collection

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry

from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.telemetry.engines_wanted import EnginesWantedCollector
from concur_proxy.telemetry.events import RequestEvents
from concur_proxy.telemetry.fleet import FleetCollector
from concur_proxy.telemetry.logs import RequestLog
from concur_proxy.telemetry.recognition import RecognitionWatch
from concur_proxy.telemetry.recorder import TraceRecorder
from concur_proxy.telemetry.requests import RequestMetrics
from concur_proxy.telemetry.store import StoreCollector


class Telemetry:
    """Subscribes the reports that the settings ask for to `events`."""

    def __init__(self, settings: GatewaySettings, *, replica: str, now: float, time: float) -> None:
        """`replica` is this process's name, `now` the gateway's clock, `time` the same moment in seconds since 1970.

        Raises `OSError` if the file of the recording cannot be written.
        """
        self.events = RequestEvents()
        self.registry = CollectorRegistry()
        metrics = RequestMetrics(self.registry)
        metrics.subscribe(self.events)
        self.forget = metrics.forget
        """Call this with an engine that has been removed."""
        self._tracing = None
        if settings.otlp_endpoint is not None:
            from concur_proxy.telemetry.otlp import OtlpTracing  # noqa: PLC0415 - OpenTelemetry is an extra

            self._tracing = OtlpTracing(settings.otlp_endpoint, instance=replica)
            self._tracing.subscribe(self.events)
        self._log = RequestLog(self.events)
        self._log.switch(on=settings.log_requests)
        self._recorder = None if settings.record is None else TraceRecorder(settings.record, now, time)
        if self._recorder is not None:
            self._recorder.subscribe(self.events)

    def watch(self, coordinator: Coordinator, monitors: Collection[EngineMonitor]) -> RecognitionWatch:
        """Export what the coordinator and the monitors know at the moment of a scrape. Returns the object that watches
        whether sessions are recognised.
        """
        own = (
            FleetCollector(coordinator, monitors),
            EnginesWantedCollector(coordinator, monitors),
            StoreCollector(coordinator),
        )
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR, *own):
            self.registry.register(collector)
        recognition = RecognitionWatch(coordinator)
        recognition.subscribe(self.events)
        return recognition

    def reconfigure(self, settings: GatewaySettings) -> None:
        """Apply what can change while the gateway runs."""
        self._log.switch(on=settings.log_requests)

    async def close(self) -> None:
        """Send the last spans, and close the recording."""
        if self._tracing is not None:
            await self._tracing.close()
        if self._recorder is not None:
            self._recorder.close()
