"""`concur-proxy doctor`: examines the engines and the Redis that the settings name, or a running gateway."""

import argparse
import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import httpx

from concur_proxy import plugins
from concur_proxy.cli.flags import add_flags, read_flags
from concur_proxy.cli.load import SettingsError, advise, load_settings
from concur_proxy.cli.parser import CommandParser, complain
from concur_proxy.cli.run_async import run_async
from concur_proxy.cli.secrets import redacted_url
from concur_proxy.cli.watch import NoState, admin_key, gateway_tls
from concur_proxy.doctor.engine import EngineExamination
from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.doctor.gateway import examine_gateway
from concur_proxy.doctor.redis import examine_redis
from concur_proxy.engines.address import addresses
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.upstream.tls import Trust

PROG = "concur-proxy doctor"

DESCRIPTION = """\
Connects to each engine, and to Redis if `store` is redis. Reports which kind of engine it is, which metrics are missing
and how to enable them, and whether `#dp=N` is the real number of data-parallel ranks. Sends each engine two requests of
one token to examine its answers. Takes the flags of `serve`, such as --engine-api-key for engines that need a key.
With --gateway, examines a running gateway: whether it serves, whether its metrics are fresh, and whether it recognises
the sessions of its clients. Exit status: 0 if all is well, 1 for warnings, 2 for errors or wrong settings."""

TIMEOUT_S = 10.0
OF_GATEWAY = {"admin_key", "admin_key_file", "tls_client_cert", "tls_client_key"}
"""Settings whose flags are for `--gateway`."""
WORDS = {Severity.OK: "ok", Severity.WARNING: "warning", Severity.ERROR: "error"}


def main(arguments: Sequence[str]) -> int:
    """Examine and print; returns the exit status."""
    parser = CommandParser(PROG, usage="--engine URL | --gateway URL [options]", description=DESCRIPTION)
    add_flags(parser)
    parser.add_argument("--gateway", metavar="URL", help="examine this running gateway; --admin-key is its key")
    parser.add_argument("--json", action="store_true", help="print all findings as one JSON object")
    namespace = parser.read(arguments)
    as_json, gateway = namespace.json, namespace.gateway
    del namespace.json, namespace.gateway
    flags, findings = read_flags(namespace), []
    try:
        if gateway is not None:
            verify = gateway_tls(gateway, _path(flags, "tls_client_cert"), _path(flags, "tls_client_key"))
            findings += run_async(_examine_gateway(gateway, _gateway_key(flags), verify))
        if gateway is None or flags.keys() - OF_GATEWAY:
            findings += run_async(examine(load_settings(flags)))
    except NoState as problem:
        return complain(PROG, str(problem))
    except SettingsError as error:
        return complain(PROG, *error.problems)
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
    pages = [page.url for server in settings.engine for page in settings.metrics_pages(server.partition("#")[0])]
    async with _client([*servers, *pages], settings.engine_ca_file) as client:
        kinds = KnownKinds(plugins.load_engine_kinds(settings.engine_kinds))
        examinations = [_examination(server, client, kinds, settings) for server in servers]
        for found in await asyncio.gather(*(examination.run() for examination in examinations)):
            findings += found
    if settings.store == "redis":
        findings += await examine_redis(settings.redis_url, redacted_url(settings.redis_url))
    return findings


async def _examine_gateway(url: str, key: str | None, verify: ssl.SSLContext | bool) -> list[Finding]:  # noqa: FBT001
    async with httpx.AsyncClient(trust_env=False, verify=verify, timeout=TIMEOUT_S) as client:
        return await examine_gateway(url, client, KnownKinds(plugins.load_engine_kinds()), admin_key=key)


def _gateway_key(flags: Mapping[str, object]) -> str | None:
    """The gateway's admin key, as `status` and `top` find it. Raises `NoState` if its file cannot be used."""
    return admin_key(
        argparse.Namespace(admin_key=flags.get("admin_key"), admin_key_file=_path(flags, "admin_key_file"))
    )


def _path(flags: Mapping[str, object], name: str) -> Path | None:
    return Path(str(flags[name])) if name in flags else None


def _client(servers: Sequence[str], ca_file: Path | None) -> httpx.AsyncClient:
    uses_tls = any(server.startswith("https:") for server in servers)
    verify = Trust(ca_file).context if uses_tls else False
    return httpx.AsyncClient(trust_env=False, verify=verify, timeout=TIMEOUT_S)


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
        pages=settings.metrics_pages(url),
    )
