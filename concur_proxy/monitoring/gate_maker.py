"""Makes the gates of engines from the settings."""

from functools import partial

from concur_proxy import plugins
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.goal import Goal
from concur_proxy.admission.guarded import GuardedOrder
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.lease import FixedLease, Lease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.order import QueueOrder
from concur_proxy.monitoring.engine_laws import EngineLaws
from concur_proxy.monitoring.plugin_failures import PluginFailures
from concur_proxy.settings.gateway import GatewaySettings


class GateMaker:
    """Makes a gate for an engine. Call it as a `GateFactory`."""

    def __init__(self, settings: GatewaySettings, laws: EngineLaws, failures: PluginFailures) -> None:
        self._settings = settings
        self._laws = laws
        self._failures = failures

    def __call__(self, engine: str, numbers: Numbers) -> SessionGate:
        """A gate for this engine, with the window of its law."""
        settings = self._settings
        options = GateOptions(
            max_waiting_sessions=settings.max_waiting_sessions,
            session_ttl_s=settings.session_ttl_s,
            work_conserving=settings.work_conserving,
            enforcing=self._laws.enforces(engine),
            goal=Goal(settings.goal),
            first_token_target_s=settings.first_token_target_s or None,
        )
        return SessionGate(
            options=options,
            lease=_lease(settings),
            window=self._laws.window(engine),
            engine=engine,
            numbers=numbers,
            order=self._order(settings.order),
        )

    def _order(self, name: str) -> QueueOrder:
        order = plugins.build(plugins.ORDERS, name)
        if plugins.is_own(plugins.ORDERS, name):
            return order
        instead = "from now on, the engine's queue is in the order `fair`"
        return GuardedOrder(order, partial(self._failures.note, plugins.ORDERS, name, instead))


def _lease(settings: GatewaySettings) -> Lease:
    return LearnedLease() if settings.idle_lease == "auto" else FixedLease(float(settings.idle_lease))
