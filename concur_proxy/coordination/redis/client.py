"""Connections to Redis by URL: one server, Sentinel or Cluster, with or without TLS and ACL user."""

from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

TIMEOUT_S = 1.0
"""Redis answers in a millisecond. If it takes this long, it counts as unreachable, and admission goes on without it."""
SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
DEFAULT_PORT = 6379
SENTINEL_PORT = 26379

Client = Redis | RedisCluster


def connect(url: str) -> Client:
    """Make a client for `url`. It connects when it is first used.

    - `redis://`, `rediss://` (TLS) and `unix://` as in redis-py: user, password and database, and redis-py's options in
      the query (`ssl_ca_certs`, ...)
    - `redis+cluster://` and `rediss+cluster://`: the same, with any node of a cluster
    - `redis+sentinel://` and `rediss+sentinel://`: the sentinels' `host:port`, separated by commas, and the master's
      name as the path: `redis+sentinel://user:password@a:26379,b:26379/mymaster?db=0`
    """
    options: dict[str, Any] = {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "protocol": 2,
        "retry": Retry(
            NoBackoff(), 1
        ),  # redis-py's own retry waits for seconds; this gateway should go on alone by then
    }
    scheme, _, rest = url.partition("://")
    transport, _, kind = scheme.partition("+")
    if kind == "cluster":
        return RedisCluster.from_url(f"{transport}://{rest}", **options)
    if kind == "sentinel":
        return _by_sentinel(url, tls=transport == "rediss", options=options)
    return Redis.from_url(url, **options)


def _by_sentinel(url: str, *, tls: bool, options: dict[str, Any]) -> Redis:
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    sentinels = [_host_and_port(host) for host in hosts.split(",")]
    query = dict(parse_qsl(parts.query))
    options |= {"ssl": True} if tls else {}
    options |= {"username": unquote(user)} if user else {}
    options |= {"password": unquote(password)} if password else {}
    options["db"] = int(query.pop("db", "0"))
    sentinel_options = {name.removeprefix("sentinel_"): value for name, value in query.items() if "sentinel_" in name}
    options |= {name: value for name, value in query.items() if "sentinel_" not in name}
    sentinel = Sentinel(sentinels, sentinel_kwargs=sentinel_options, **options)  # type: ignore[no-untyped-call]
    return cast("Redis", sentinel.master_for(unquote(parts.path.strip("/")) or "mymaster"))


def _host_and_port(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or text, parts.port or SENTINEL_PORT
