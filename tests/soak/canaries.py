"""Secrets that clients send, which must not appear in logs, metrics, traces and Redis."""

from collections.abc import Callable
from hashlib import sha256

from redis import Redis
from redis.exceptions import RedisError

from concur_proxy.recognition.client_keys import client_key_entry
from tests.telemetry.otlp_receiver import OtlpReceiver

KEYS = {tenant: f"ck-canary-{tenant}-5e11a1c0ffee" for tenant in ("large", "medium", "small")}
"""The key of each tenant."""
WEIGHTS = {"large": 1.0, "medium": 1.0, "small": 2.0}
PROMPT = "canary-prompt-0dd5eed5"
"""In every prompt."""
CANARIES = tuple(text.encode() for text in (*KEYS.values(), PROMPT))


class Traces(OtlpReceiver):
    """A collector that keeps no span, only the canaries in them, and how many batches had come."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0
        self.found: set[str] = set()

    def take(self, path: str, body: bytes) -> None:  # noqa: ARG002 - the receiver's
        """Look through a batch."""
        self.batches += 1
        self.found.update(found_in(body))


def keys_file(weights: dict[str, float]) -> str:
    """The text of the file of client keys."""
    return "".join(
        client_key_entry(sha256(key.encode()).hexdigest(), tenant) + f"weight = {weights[tenant]}\n"
        for tenant, key in KEYS.items()
    )


def found_in(text: bytes) -> list[str]:
    """The canaries in this text."""
    return [canary.decode() for canary in CANARIES if canary in text]


def found_in_redis(client: Redis) -> list[str]:
    """The canaries in keys and values; none if Redis does not answer."""
    found: set[str] = set()
    try:
        for key in client.scan_iter(count=1000):
            found.update(found_in(key + repr(_value(client, key)).encode()))
    except RedisError:
        return []
    return sorted(found)


def _value(client: Redis, key: bytes) -> object:
    read: dict[bytes | str, Callable[[], object]] = {
        b"string": lambda: client.get(key),
        b"hash": lambda: client.hgetall(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1, withscores=True),
        b"stream": lambda: client.xrange(key),
    }
    return read.get(client.type(key), lambda: b"")()
