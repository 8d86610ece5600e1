"""Examines the Redis that several gateways share."""

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from concur_proxy.coordination.redis.client import connect
from concur_proxy.doctor.finding import Finding, Severity

OLDEST = 7


async def examine_redis(url: str, shown: str) -> list[Finding]:
    """What is wrong with the server at `url`, which findings name as `shown`. Never raises."""

    def finding(severity: Severity, code: str, message: str, fix: str = "") -> list[Finding]:
        return [Finding(subject=shown, severity=severity, code=code, message=message, fix=fix)]

    try:
        client = connect(url)
    except (ValueError, RedisError) as error:
        return finding(Severity.ERROR, "bad_url", str(error), "correct redis_url")
    try:
        await client.ping()
        info = await client.info("server")
    except NoPermissionError:
        return finding(Severity.OK, "reached", "answers; this user may not see its version")
    except AuthenticationError as error:
        return finding(Severity.ERROR, "wrong_password", f"refuses the login: {error}", "correct redis_url's password")
    except (RedisError, OSError) as error:
        fix = "start Redis or correct redis_url"
        return finding(Severity.ERROR, "unreachable", f"cannot be reached: {error}", fix)
    finally:
        await client.aclose()
    version = str(info.get("redis_version", ""))
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST and "valkey_version" not in info:
        return finding(Severity.ERROR, "too_old", f"is Redis {version}", f"use Redis {OLDEST} or later, or Valkey")
    return finding(Severity.OK, "reached", f"answers, version {version}")
