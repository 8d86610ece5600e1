"""One of several gateways that share a Redis."""

from concur_proxy.coordination.coordinator import CoordinatorParts, Role
from concur_proxy.coordination.group.coordinator import GroupCoordinator
from concur_proxy.coordination.group.member import Member
from concur_proxy.coordination.redis.client import connect
from concur_proxy.coordination.redis.link import RedisLink
from concur_proxy.coordination.redis.responses import ResponsesInRedis
from concur_proxy.coordination.redis.upkeep import RedisUpkeep


class RedisCoordinator(GroupCoordinator):
    """A gateway whose messages travel through Redis."""

    upkeep: RedisUpkeep

    def __init__(self, parts: CoordinatorParts) -> None:
        self.link = RedisLink(connect(parts.url), prefix=parts.prefix, me=parts.replica)
        member = Member(parts, self.link)
        responses = ResponsesInRedis(self.link, lambda: member.role is not Role.ALONE)
        super().__init__(member, responses, RedisUpkeep(member, self.link, responses))
