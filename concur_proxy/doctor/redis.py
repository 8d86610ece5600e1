"""Examines the Redis that several gateways would share."""

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from concur_proxy.coordination.redis.client import connect
from concur_proxy.doctor.finding import Finding, Severity

OLDEST = 7


async def examine_redis(url: str, shown: str) -> list[Finding]:
    """What is wrong with the server at `url`, which is told as `shown`. Never raises for what it does."""

    def finding(severity: Severity, code: str, message: str, mend: str = "") -> list[Finding]:
        return [Finding(subject=shown, severity=severity, code=code, message=message, mend=mend)]

    try:
        client = connect(url)
    except (ValueError, RedisError) as error:
        return finding(Severity.ERROR, "bad_url", str(error), "mend redis_url")
    try:
        await client.ping()
        info = await client.info("server")
    except NoPermissionError:
        return finding(Severity.OK, "reached", "answers; its version is not for this user to see")
    except AuthenticationError as error:
        return finding(Severity.ERROR, "wrong_password", f"refuses the login: {error}", "mend redis_url's password")
    except (RedisError, OSError) as error:
        return finding(Severity.ERROR, "unreachable", f"cannot be reached: {error}", "start it, or mend redis_url")
    finally:
        await client.aclose()
    version = str(info.get("redis_version", ""))
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST and "valkey_version" not in info:
        return finding(Severity.ERROR, "too_old", f"is Redis {version}", "7 or later, or Valkey, is needed")
    return finding(Severity.OK, "reached", f"answers, version {version}")
