"""The admin calls on engines: which there are, and that one comes or goes."""

from collections.abc import Iterator

from concur_proxy.admin.answers import ServerDone, ServerList
from concur_proxy.admin.by_hand import HandSettings
from concur_proxy.admin.operations import Operation, Refused
from concur_proxy.admin.questions import NamedServer, Nothing
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.monitoring.pool import EnginePool

ENGINES_PATH = "/concur/v1/engines"


class EngineCalls:
    """Does them, in the process that decides."""

    def __init__(self, pool: EnginePool, coordinator: Coordinator, hand: HandSettings) -> None:
        self._pool = pool
        self._coordinator = coordinator
        self._hand = hand

    def operations(self) -> Iterator[Operation]:
        """All of them."""
        yield Operation(
            method="GET",
            path=ENGINES_PATH,
            summary="The engines that there are",
            takes=Nothing,
            gives=ServerList,
            do=lambda _: ServerList(**self._listed()),
        )
        yield Operation(
            method="POST",
            path=ENGINES_PATH,
            summary="Add the engine; one that there is already stays",
            takes=NamedServer,
            gives=ServerDone,
            do=self._add,
            refuses=(409,),
        )
        yield Operation(
            method="DELETE",
            path=ENGINES_PATH,
            summary="Give the engine up: its sessions move, and it is forgotten when nothing is in flight there",
            takes=NamedServer,
            gives=ServerDone,
            do=self._remove,
            refuses=(404, 409),
        )

    def _add(self, asked: NamedServer) -> ServerDone:
        try:
            self._hand.add(asked.engine)
        except ValueError as problem:
            raise Refused(409, "conflict", f"{problem}.", param="engine") from problem
        return ServerDone(engine=asked.engine, **self._listed())

    def _remove(self, asked: NamedServer) -> ServerDone:
        known = self._pool.servers
        if asked.engine not in known:
            message = f"There is no engine {asked.engine[:200]}; there are {', '.join(known)}."
            raise Refused(404, "no_engine", message, param="engine")
        try:
            self._hand.remove(asked.engine)
        except ValueError as problem:
            raise Refused(409, "last_engine", f"{problem}: add another one first.", param="engine") from problem
        return ServerDone(engine=asked.engine, **self._listed())

    def _listed(self) -> dict[str, list[str]]:
        by_hand = self._coordinator.manual
        return {"engines": self._pool.servers, "added": list(by_hand.added), "removed": list(by_hand.removed)}
