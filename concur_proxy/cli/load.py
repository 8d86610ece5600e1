"""Loads the settings. Each error is one line: where the value was set, what is wrong, and what is expected."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from importlib import import_module

from pydantic import ValidationError

from concur_proxy import plugins
from concur_proxy.cli import complaints
from concur_proxy.cli.files import is_writable
from concur_proxy.cli.origins import Origins, suggest
from concur_proxy.control.faults import problems_of
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.settings.admin_listen import MAIN
from concur_proxy.settings.drafts import Fault, draft
from concur_proxy.settings.file import ConfigFileError
from concur_proxy.settings.gateway import SDK_TIMEOUT_S, GatewaySettings
from concur_proxy.settings.kinds import metrics_page
from concur_proxy.settings.secret_files import SecretFileError
from concur_proxy.settings.sources import ENV_PREFIX
from concur_proxy.upstream.tls import TlsFileError, Trust, server_context, tls_problem
from concur_proxy.wire.request.endpoints import EndpointCatalogue

_SERVICE_LINK = re.compile(r".+_SERVICE_(HOST|PORT(_.+)?)|.+_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?")
"""Variables that Kubernetes sets in pods for each Service: CONCUR_PROXY_PORT for one that is named concur-proxy."""


class SettingsError(Exception):
    """The settings cannot be used."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
        """One line for each thing that is wrong."""


def load_settings(flags: Mapping[str, object], problems: Sequence[str] = ()) -> GatewaySettings:
    """The settings from `flags`, environment and configuration file.

    Raises `SettingsError` with everything that is wrong. `problems` are those that the caller has found in the flags.
    """
    origins = Origins(flags)
    found = [*problems, *_unknown_variables()]
    left_out: AbstractSet[str] = frozenset()
    try:
        settings = GatewaySettings(**flags)  # type: ignore[arg-type]
    except (ConfigFileError, SecretFileError, ValidationError):
        drafted = draft(flags)
        settings, left_out = drafted.settings, drafted.left_out
        found += [line for fault in drafted.faults for line in _lines(fault, origins)]
        found += [complaints.disagreement(pair, origins) for pair in drafted.disagreements()]
    found += [line for name, line in _further_problems(settings, origins, left_out) if name not in left_out]
    if found:
        raise SettingsError(list(dict.fromkeys(found)))
    return settings


def _lines(fault: Fault, origins: Origins) -> Iterable[str]:
    if isinstance(fault, SecretFileError):
        return [f"{origins.describe(fault.setting)}: {fault.reason}"]
    return [str(fault)] if isinstance(fault, ConfigFileError) else complaints.lines(fault, origins)


def advise(settings: GatewaySettings) -> list[str]:
    """One line for each setting that is allowed but probably a mistake."""
    advice = [
        f"engine {url} ends in /v1, but the paths of clients already begin with it: leave it out"
        for url in (*settings.engine, *settings.engine_dns)
        if url.endswith("/v1")
    ]
    engines = [url.partition("#")[0] for url in settings.engine]
    advice += [
        f"metrics_url names {url}, which is no engine: name one of {', '.join(engines) or 'the setting engine'}"
        for url in dict.fromkeys(metrics_page(text)[0] for text in settings.metrics_url)
        if url not in engines
    ]
    if settings.max_hold_s >= SDK_TIMEOUT_S:
        advice.append(
            f"max_hold_s {settings.max_hold_s:g}: by default the OpenAI and Anthropic SDKs time out after "
            f"{SDK_TIMEOUT_S:g} s and send the request again"
        )
    if settings.goal != "throughput" and settings.law == "off":
        advice.append(f"goal {settings.goal}: with law off no request waits, so the goal changes nothing")
    if settings.admin_listen == MAIN and settings.admin_key is None:
        advice.append("admin_listen main: a proxy on this machine lets everybody use the admin API: set admin_key")
    return advice


def _can_trace() -> bool:
    try:
        import_module("concur_proxy.telemetry.otlp")
    except ImportError:
        return False
    return True


def _unknown_variables() -> Iterator[str]:
    for variable in sorted(os.environ):
        prefix, name = variable[: len(ENV_PREFIX)].upper(), variable[len(ENV_PREFIX) :].lower()
        if prefix != ENV_PREFIX or name in GatewaySettings.model_fields:
            continue
        if not _SERVICE_LINK.fullmatch(name.upper()):
            yield f"unknown environment variable {variable}: {suggest(name, lambda near: ENV_PREFIX + near.upper())}"


def _further_problems(
    settings: GatewaySettings, origins: Origins, left_out: AbstractSet[str]
) -> Iterator[tuple[str, str]]:
    """What only plug-ins, files and packages show: the setting, and the line. `left_out` are settings with faults."""
    for check in (_plugin_problems, _kind_problems, _law_problems, _tls_problems):
        yield from check(settings, origins, left_out)
    if settings.record is not None and not is_writable(settings.record):
        yield "record", f"{origins.describe('record')}: cannot be written"
    if settings.otlp_endpoint is not None and not _can_trace():
        hint = "needs OpenTelemetry: pip install 'concur-proxy[otel]'"
        yield "otlp_endpoint", f"{origins.describe('otlp_endpoint')}: {hint}"


def _plugin_problems(settings: GatewaySettings, origins: Origins, _: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    options = settings.recogniser_options
    builds: list[tuple[str, str, Callable[[], object]]] = [
        ("placement", settings.placement, partial(plugins.build, plugins.PLACEMENTS, settings.placement)),
        ("order", settings.order, partial(plugins.build, plugins.ORDERS, settings.order)),
        *(
            ("recognisers", recogniser, partial(plugins.build, plugins.RECOGNISERS, recogniser, options))
            for recogniser in settings.recognisers
        ),
    ]
    for name, part, build in builds:
        try:
            build()
        except ValueError as error:
            yield name, f"{origins.describe(name, part=part)}: {error}"


def _kind_problems(settings: GatewaySettings, origins: Origins, _: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    name, kinds = "engine_kinds", []
    for part in settings.engine_kinds:
        try:
            kinds += plugins.load_engine_kinds([part])
        except ValueError as error:
            yield name, f"{origins.describe(name, part=part)}: {error}"
    try:
        known = KnownKinds(kinds or plugins.load_engine_kinds())
        EndpointCatalogue(known=[kind.paths for kind in known])
    except ValueError as error:
        hint = "; to leave it out, list the others in engine_kinds"
        yield name, f"{origins.describe(name)}: {error}" if settings.engine_kinds else f"{error}{hint}"


def _law_problems(settings: GatewaySettings, origins: Origins, left_out: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    try:
        plugins.build(plugins.LAWS, settings.law, {} if "law_options" in left_out else settings.law_options)
    except plugins.PluginError as error:
        yield "law", f"{origins.describe('law')}: {error}"
    except ValueError as error:
        if "law" not in left_out:
            for problem in problems_of(error):
                named = _first_named(settings.law_options, problem)
                origin = origins.describe("law_options", part=named)
                yield "law_options", f"{origin} with law {settings.law}: {_misplaced(named, problem) or problem}"


def _misplaced(option: str | None, problem: str) -> str | None:
    """What to do if the law does not know the option because it is a setting; None for another problem. In a TOML file,
    everything below `[law_options]` is an option.
    """
    if option not in GatewaySettings.model_fields or "has no option" not in problem:
        return None
    return f"{option} is a setting, not an option of the law: in a TOML file, write it above [law_options]"


def _tls_problems(settings: GatewaySettings, origins: Origins, left_out: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    if settings.tls_cert is not None and not left_out & {"tls_key", "tls_client_ca"}:
        try:
            server_context(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        except TlsFileError as error:
            yield error.setting, f"{origins.describe(error.setting)}: {error}"
    if settings.engine_ca_file is not None:
        try:
            Trust(settings.engine_ca_file).context  # noqa: B018 - reads the file
        except OSError as error:
            yield "engine_ca_file", f"{origins.describe('engine_ca_file')}: {tls_problem(error)}"


def _first_named(keys: Iterable[str], message: str) -> str | None:
    """The key that the message mentions first."""
    found = {key: re.search(rf"\b{re.escape(key)}\b", message) for key in keys}
    places = {key: match.start() for key, match in found.items() if match is not None}
    return min(places, key=places.__getitem__, default=None)
