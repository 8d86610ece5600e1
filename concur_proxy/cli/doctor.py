"""`concur-proxy doctor`: examines the engines and the Redis that the settings name."""

import asyncio
import json
import ssl
from collections.abc import Sequence
from dataclasses import asdict

import httpx

from concur_proxy import plugins
from concur_proxy.cli.flags import add_flags, read_flags
from concur_proxy.cli.load import SettingsError, advise, load_settings
from concur_proxy.cli.parser import CommandParser, complain
from concur_proxy.cli.secrets import redacted_url
from concur_proxy.doctor.engine import EngineExamination
from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.doctor.redis import examine_redis
from concur_proxy.engines.address import addresses
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.settings.gateway import GatewaySettings

PROG = "concur-proxy doctor"

DESCRIPTION = """\
Connects to each engine, and to Redis if `store` is redis. Reports which kind of engine it is, which metrics are missing
and how to enable them, and whether `#dp=N` is the real number of data-parallel ranks. Sends each engine two requests of
one token to examine its answers. Takes the flags of `serve`, such as --engine-api-key for engines that need a key. Exit
status: 0 if all is well, 1 for warnings, 2 for errors or wrong settings."""

TIMEOUT_S = 10.0
WORDS = {Severity.OK: "ok", Severity.WARNING: "warning", Severity.ERROR: "error"}


def main(arguments: Sequence[str]) -> int:
    """Examine and print; returns the exit status."""
    parser = CommandParser(PROG, usage="--engine URL [options]", description=DESCRIPTION)
    add_flags(parser)
    parser.add_argument("--json", action="store_true", help="print all findings as one JSON object")
    namespace = parser.read(arguments)
    as_json = namespace.json
    del namespace.json
    try:
        settings = load_settings(read_flags(namespace))
    except SettingsError as error:
        return complain(PROG, *error.problems)
    findings = asyncio.run(examine(settings))
    worst = max((finding.severity for finding in findings), default=Severity.OK)
    if as_json:
        rows = [{**asdict(finding), "severity": WORDS[finding.severity]} for finding in findings]
        print(json.dumps({"status": WORDS[worst], "findings": rows}, indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            fix = f": {finding.fix}" if finding.fix else ""
            print(f"{WORDS[finding.severity]:7}  {finding.subject}  {finding.message}{fix}")
    return int(worst)


async def examine(settings: GatewaySettings) -> list[Finding]:
    """All findings about the settings, the engines and Redis."""
    findings = [
        Finding(subject="settings", severity=Severity.WARNING, code="advice", message=line) for line in advise(settings)
    ]
    servers = list(dict.fromkeys((*settings.engine, *settings.engine_dns)))
    uses_tls = any(server.startswith("https:") for server in servers)
    verify = ssl.create_default_context() if uses_tls else False
    async with httpx.AsyncClient(trust_env=False, verify=verify, timeout=TIMEOUT_S) as client:
        kinds = KnownKinds(plugins.load_engine_kinds(settings.engine_kinds))
        examinations = [_examination(server, client, kinds, settings) for server in servers]
        for found in await asyncio.gather(*(examination.run() for examination in examinations)):
            findings += found
    if settings.store == "redis":
        findings += await examine_redis(settings.redis_url, redacted_url(settings.redis_url))
    return findings


def _examination(
    server: str, client: httpx.AsyncClient, kinds: KnownKinds, settings: GatewaySettings
) -> EngineExamination:
    named = addresses(server)
    ranks = None if named[0].dp_rank is None else len(named)
    url = named[0].url
    return EngineExamination(
        url,
        client,
        kinds,
        ranks=ranks,
        api_key=settings.engine_api_key,
        capacity_tokens=settings.capacity_of(url),
    )
