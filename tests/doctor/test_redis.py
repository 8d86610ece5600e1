from concur_proxy.doctor.finding import Severity
from concur_proxy.doctor.redis import examine_redis
from tests.benchmarks.process import free_port
from tests.coordination.redis_server import RedisServer


async def code(url: str) -> tuple[str, Severity]:
    (finding,) = await examine_redis(url, "shown")
    assert finding.subject == "shown"
    assert "secret" not in finding.message
    return finding.code, finding.severity


async def test_a_server_that_is_well(redis: RedisServer) -> None:
    assert await code(redis.url) == ("reached", Severity.OK)


async def test_a_wrong_password(redis: RedisServer) -> None:
    url = redis.url.replace("://", "://nobody:secret@")
    assert await code(url) == ("wrong_password", Severity.ERROR)


async def test_a_user_who_may_only_do_what_the_store_does(redis: RedisServer) -> None:
    redis.client.acl_setuser(
        "few", enabled=True, passwords=["+secret"], keys=["{concur}:*"], commands=["+@all", "-info"]
    )
    try:
        assert await code(redis.url.replace("://", "://few:secret@")) == ("reached", Severity.OK)
    finally:
        redis.client.acl_deluser("few")


async def test_a_dead_port() -> None:
    assert await code(f"redis://:secret@127.0.0.1:{free_port()}/0") == ("unreachable", Severity.ERROR)


async def test_a_url_that_is_none() -> None:
    assert await code("http://127.0.0.1/0") == ("bad_url", Severity.ERROR)
