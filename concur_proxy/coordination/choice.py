"""Chooses the coordinator of a gateway by its settings."""

from concur_proxy.coordination.coordinator import Coordinator, CoordinatorParts
from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.coordination.workers.coordinator import WorkersCoordinator
from concur_proxy.coordination.workers.door import Door


def coordinator_for(store: str, parts: CoordinatorParts, door: Door | None) -> Coordinator:
    """The coordinator for this setting of `store`. `door` is how the workers of one gateway meet; None: there is only
    one process.
    """
    if store == "memory":
        return LocalCoordinator(parts.make_fleet(0), parts.clock) if door is None else WorkersCoordinator(parts, door)
    from concur_proxy.coordination.redis.coordinator import (  # noqa: PLC0415 - redis-py takes long to import
        RedisCoordinator,
    )

    return RedisCoordinator(parts)
