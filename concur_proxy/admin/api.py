"""The admin API as a whole: what it reads, what it changes, and the paths of both."""

from collections.abc import Callable

from fastapi import FastAPI

from concur_proxy.admin.access import AdminAccess
from concur_proxy.admin.audit import Audit
from concur_proxy.admin.calls import AdminCalls
from concur_proxy.admin.history import History
from concur_proxy.admin.manual import ManualChanges
from concur_proxy.admin.operations import Operations
from concur_proxy.admin.reading_calls import reading_operations
from concur_proxy.admin.routes import add_admin_routes
from concur_proxy.admin.state import StateReader
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.monitoring.pool import EnginePool
from concur_proxy.telemetry.recognition import RecognitionWatch


class AdminApi:
    """Serves operators, in this process or for a gateway that passes their calls on."""

    def __init__(
        self,
        *,
        pool: EnginePool,
        coordinator: Coordinator,
        clock: Callable[[], float],
        replica: str,
        laws: list[str],
        recognition: RecognitionWatch,
        shown: Callable[[str], str],
    ) -> None:
        """`laws`: the names of all control laws. `shown` turns a session's key into its name for log lines."""
        self.reader = StateReader(
            pool=pool,
            coordinator=coordinator,
            clock=clock,
            replica=replica,
            laws=laws,
            recognition=recognition,
            past=History(now=clock()),
        )
        self.manual = ManualChanges(pool, coordinator)
        changing = AdminCalls(self.reader, self.manual, shown=shown)
        self.operations = Operations((*reading_operations(self.reader), *changing.operations()))
        self._coordinator = coordinator
        self._shown = shown

    def add_to(self, app: FastAPI, access: AdminAccess) -> None:
        """Add the paths of the API to the application that serves the gateway's own paths."""
        add_admin_routes(app, self.operations, self._coordinator, access, Audit(self._shown))
