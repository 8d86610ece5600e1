"""Loads the settings. Each error is one line: where the value was set, what is wrong, and what is expected."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from concur_proxy import plugins
from concur_proxy.cli.files import is_writable
from concur_proxy.cli.origins import Origins, suggest
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.settings.admin_listen import MAIN
from concur_proxy.settings.file import ConfigFileError
from concur_proxy.settings.gateway import SDK_TIMEOUT_S, GatewaySettings
from concur_proxy.settings.kinds import metrics_page
from concur_proxy.settings.secret_files import SECRETS, SecretFileError
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


def load_settings(flags: Mapping[str, object]) -> GatewaySettings:
    """The settings from `flags`, environment and configuration file. Raises `SettingsError` if any of them is wrong."""
    origins = Origins(flags)
    problems = list(_unknown_variables())
    try:
        settings = GatewaySettings(**flags)  # type: ignore[arg-type]
    except ConfigFileError as error:
        raise SettingsError([*problems, str(error)]) from error
    except SecretFileError as error:
        raise SettingsError([*problems, f"{origins.describe(error.setting)}: {error.reason}"]) from error
    except ValidationError as error:
        raise SettingsError([*problems, *_lines(error, origins)]) from error
    problems.extend(_plugin_problems(settings, origins))
    problems.extend(_tls_problems(settings, origins))
    if settings.record is not None and not is_writable(settings.record):
        problems.append(f"{origins.describe('record')}: cannot be written")
    if settings.otlp_endpoint is not None and not _can_trace():
        problems.append(f"{origins.describe('otlp_endpoint')}: needs OpenTelemetry: pip install 'concur-proxy[otel]'")
    if problems:
        raise SettingsError(problems)
    return settings


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


def _lines(error: ValidationError, origins: Origins) -> Iterator[str]:
    reported: set[tuple[int | str, ...]] = set()
    for details in error.errors(include_url=False):
        place = details["loc"][:2]
        # pydantic reports one wrong value several times: for each kind that it could have, and for the list around it
        if place in reported or (len(place) == 1 and any(other[:1] == place for other in reported)):
            continue
        reported.add(place)
        yield _line(details, origins)


def _line(details: ErrorDetails, origins: Origins) -> str:
    kind, place, context = details["type"], details["loc"], details.get("ctx", {})
    if kind == "settings_disagree":
        first, second = origins.describe(context["first"]), origins.describe(context["second"])
        return f"{first} must be {context['relation']} {second}: {context['reason']}"
    if kind == "no_engine":
        return f"no engine given: use --engine URL, {ENV_PREFIX}ENGINE, or engine in the configuration file"
    name = str(place[0])
    if kind == "extra_forbidden":
        return origins.unknown(name)
    if name == "law_options":
        origin = origins.describe(name, part=place[1] if len(place) > 1 else None)
        return f'{origin}: must be names with values, such as {{"alpha": 2}}'
    # a validator may have converted the input: show what the operator wrote, if all of it is wrong
    wrong = details["input"] if len(place) > 1 or name in SECRETS else None
    return f"{origins.describe(name, wrong)}: {_complaint(details)}"


def _complaint(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    if "error" in context:
        return str(context["error"])
    templates = {
        "greater_than": "must be more than {gt:g}",
        "greater_than_equal": "must be {ge:g} or more",
        "less_than_equal": "must be {le:g} or less",
        "literal_error": "must be {expected}",
        "int_parsing": "must be a whole number",
        "int_from_float": "must be a whole number",
        "int_type": "must be a whole number",
        "float_parsing": "must be a number",
        "float_type": "must be a number",
        "finite_number": "must be a finite number",
        "bool_parsing": "must be true or false",
        "bool_type": "must be true or false",
        "string_type": "must be text",
        "path_type": "must be the path of a file",
        "string_too_short": "must not be empty",
        "tuple_type": "must be a list",
    }
    template = templates.get(details["type"])
    return details["msg"] if template is None else template.format(**context).replace("'", "")


def _plugin_problems(settings: GatewaySettings, origins: Origins) -> Iterator[str]:
    options = settings.recogniser_options
    builds: list[tuple[str, Callable[[], object]]] = [
        ("placement", partial(plugins.build, plugins.PLACEMENTS, settings.placement)),
        ("order", partial(plugins.build, plugins.ORDERS, settings.order)),
        *(
            ("recognisers", partial(plugins.build, plugins.RECOGNISERS, recogniser, options))
            for recogniser in settings.recognisers
        ),
    ]
    for name, build in builds:
        try:
            build()
        except ValueError as error:
            yield f"{origins.describe(name)}: {error}"
    try:
        kinds = KnownKinds(plugins.load_engine_kinds(settings.engine_kinds))
        EndpointCatalogue(known=[kind.paths for kind in kinds])
    except ValueError as error:
        hint = "; to leave it out, list the others in engine_kinds"
        yield f"{origins.describe('engine_kinds')}: {error}" if settings.engine_kinds else f"{error}{hint}"
    try:
        plugins.build(plugins.LAWS, settings.law, settings.law_options)
    except plugins.PluginError as error:
        yield f"{origins.describe('law')}: {error}"
    except ValueError as error:
        named = _first_named(settings.law_options, str(error))
        yield f"{origins.describe('law_options', part=named)} with law {settings.law}: {error}"


def _tls_problems(settings: GatewaySettings, origins: Origins) -> Iterator[str]:
    if settings.tls_cert is not None:
        try:
            server_context(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        except TlsFileError as error:
            yield f"{origins.describe(error.setting)}: {error}"
    if settings.engine_ca_file is not None:
        try:
            Trust(settings.engine_ca_file).context  # noqa: B018 - reads the file
        except OSError as error:
            yield f"{origins.describe('engine_ca_file')}: {tls_problem(error)}"


def _first_named(keys: Iterable[str], message: str) -> str | None:
    """The key that the message mentions first."""
    found = {key: re.search(rf"\b{re.escape(key)}\b", message) for key in keys}
    places = {key: match.start() for key, match in found.items() if match is not None}
    return min(places, key=places.__getitem__, default=None)
