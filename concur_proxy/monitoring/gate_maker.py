"""Makes the gates of engines from the settings."""

from concur_proxy import plugins
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease, LearnedLease, Lease
from concur_proxy.admission.session import Numbers
from concur_proxy.monitoring.engine_laws import EngineLaws
from concur_proxy.settings.gateway import GatewaySettings


class GateMaker:
    """Makes a gate for an engine. Call it as a `GateFactory`."""

    def __init__(self, settings: GatewaySettings, laws: EngineLaws) -> None:
        self._settings = settings
        self._laws = laws

    def __call__(self, engine: str, numbers: Numbers) -> SessionGate:
        """A gate for this engine, with the window of its law."""
        settings = self._settings
        options = GateOptions(
            max_waiting_sessions=settings.max_waiting_sessions,
            session_ttl_s=settings.session_ttl_s,
            work_conserving=settings.work_conserving,
            enforcing=self._laws.enforces(engine),
        )
        return SessionGate(
            options=options,
            lease=_lease(settings),
            window=self._laws.of(engine).window,
            engine=engine,
            numbers=numbers,
            order=plugins.build(plugins.ORDERS, settings.order),
        )


def _lease(settings: GatewaySettings) -> Lease:
    return LearnedLease() if settings.idle_lease == "auto" else FixedLease(float(settings.idle_lease))
