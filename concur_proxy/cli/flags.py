"""The flags of `concur-proxy serve`, one for each setting, in sections."""

import argparse
import re
from collections.abc import Mapping
from typing import Any, get_origin

from pydantic.fields import FieldInfo

from concur_proxy import plugins
from concur_proxy.cli.parser import CommandParser
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.settings.kinds import split_list

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "engines": (
        "engine",
        "engine_dns",
        "engine_kinds",
        "capacity_tokens",
        "metrics_url",
        "scrape_interval_s",
        "scrape_timeout_s",
        "stale_after_s",
        "fail_open_after_s",
        "fallback_window",
        "health_interval_s",
        "placement",
        "move_after_s",
        "connect_timeout_s",
        "engine_first_byte_timeout_s",
        "engine_idle_timeout_s",
        "engine_api_key",
        "engine_api_key_file",
        "engine_ca_file",
        "admin_key",
        "admin_key_file",
    ),
    "listening": (
        "host",
        "port",
        "admin_listen",
        "private_metrics",
        "tls_cert",
        "tls_key",
        "tls_client_ca",
        "tls_client_cert",
        "tls_client_key",
        "root_path",
        "workers",
        "drain_timeout_s",
        "keep_alive_s",
        "head_timeout_s",
        "body_timeout_s",
        "send_timeout_s",
        "max_connections",
        "max_connections_per_client",
        "max_connections_per_tenant",
    ),
    "control": ("law", "law_options", "goal", "first_token_target_s", "mode", "work_conserving"),
    "sessions": (
        "recognisers",
        "session_headers",
        "session_body_fields",
        "session_end_headers",
        "client_keys_file",
        "tenant_header",
        "session_ttl_s",
        "max_conversations",
        "idle_lease",
        "store",
        "redis_url",
        "redis_url_file",
        "redis_prefix",
    ),
    "waiting": ("order", "max_waiting_sessions", "max_hold_s", "keepalive_comments_s", "keepalive_chunks"),
    "relaying": (
        "ask_usage",
        "tell_clients",
        "allow_paths",
        "max_body_bytes",
        "max_buffered_bytes",
        "max_buffered_bytes_per_tenant",
        "max_header_bytes",
    ),
    "running": ("config", "record", "log_level", "log_format", "log_requests", "hash_sessions", "otlp_endpoint"),
}
"""Every setting, in the order of `--help`."""

_PLUGINS: Mapping[str, plugins.PluginKind[Any]] = {
    "engine_kinds": plugins.ENGINE_KINDS,
    "law": plugins.LAWS,
    "placement": plugins.PLACEMENTS,
    "order": plugins.ORDERS,
    "recognisers": plugins.RECOGNISERS,
}
"""Settings that name a plug-in, with the kind of the plug-in."""

_METAVARS = {
    "admin_key": "KEY",
    "admin_listen": "ADDRESS",
    "tls_cert": "FILE",
    "tls_key": "FILE",
    "tls_client_ca": "FILE",
    "tls_client_cert": "FILE",
    "tls_client_key": "FILE",
    "admin_key_file": "FILE",
    "engine_api_key": "KEY",
    "engine_api_key_file": "FILE",
    "engine_ca_file": "FILE",
    "config": "FILE",
    "record": "FILE",
    "root_path": "PATH",
    "engine": "URL",
    "engine_dns": "URL",
    "engine_kinds": "NAME",
    "capacity_tokens": "N|URL=N",
    "metrics_url": "URL=PAGE",
    "host": "ADDRESS",
    "law": "NAME",
    "law_options": "KEY=VALUE",
    "goal": "GOAL",
    "mode": "MODE",
    "recognisers": "NAME",
    "session_headers": "HEADER",
    "session_body_fields": "FIELD",
    "session_end_headers": "HEADER",
    "client_keys_file": "FILE",
    "tenant_header": "HEADER",
    "idle_lease": "TIME",
    "placement": "NAME",
    "order": "NAME",
    "store": "KIND",
    "redis_url": "URL",
    "redis_url_file": "FILE",
    "redis_prefix": "NAME",
    "allow_paths": "RULE",
    "log_level": "LEVEL",
    "log_format": "FORMAT",
    "otlp_endpoint": "URL",
}


def flag_of(name: str) -> str:
    """The flag of a setting: `--max-hold-s` for `max_hold_s`."""
    return "--set" if name == "law_options" else "--" + name.replace("_", "-")


def default_of(field: FieldInfo) -> str | None:
    """The default as an operator would write it; None for a setting without a default."""
    default = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
    if default is None or default in ((), {}):
        return None
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return ", ".join(default) if isinstance(default, tuple) else str(default)


def add_flags(parser: CommandParser) -> None:
    """Add a flag for each setting. Values stay text, because the settings report what is wrong with them."""
    for title, names in SECTIONS.items():
        group = parser.add_argument_group(title)
        for name in names:
            _add_flag(group, name, GatewaySettings.model_fields[name])


def read_flags(namespace: argparse.Namespace) -> dict[str, object]:
    """The settings that were given as flags."""
    flags: dict[str, object] = {}
    for name, value in vars(namespace).items():
        if name == "law_options":
            flags[name] = dict(value)
        elif isinstance(value, list):
            flags[name] = [item for text in value for item in split_list(name, text)]
        else:
            flags[name] = value
    return flags


def _add_flag(group: "argparse._ArgumentGroup", name: str, field: FieldInfo) -> None:
    default = default_of(field)
    text = _as_help(field.description or "").replace("%", "%%")
    if name in _PLUGINS:
        text += f": {', '.join(plugins.available(_PLUGINS[name]))}"
    if default is not None:
        text += f" (default {default})"
    if field.annotation is bool:
        group.add_argument(
            flag_of(name), dest=name, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
        )
        return
    is_list = name == "law_options" or get_origin(field.annotation) is tuple
    group.add_argument(
        flag_of(name),
        dest=name,
        action="append" if is_list else "store",
        default=argparse.SUPPRESS,
        type=read_option if name == "law_options" else str,
        metavar=_metavar(name),
        help=f"{text}; repeatable" if is_list else text,
    )


def _as_help(description: str) -> str:
    """The description without backticks, and with flags in the place of names of settings."""
    text = re.sub("`([^`]+)`", lambda found: _shown(found[1]), description)
    return text[0].lower() + text[1:] if text[1:2].islower() else text


def _shown(quoted: str) -> str:
    return flag_of(quoted) if quoted in GatewaySettings.model_fields else quoted


def _metavar(name: str) -> str:
    units = {"_s": "TIME", "_bytes": "SIZE", "_bytes_per_tenant": "SIZE"}
    by_unit = next((metavar for suffix, metavar in units.items() if name.endswith(suffix)), "N")
    return _METAVARS.get(name, by_unit)


def read_option(text: str) -> tuple[str, str]:
    """Argument type: an option of a law, as `name=value`."""
    key, is_pair, value = text.partition("=")
    if not is_pair or not key.strip():
        raise argparse.ArgumentTypeError(f"write it as name=value, not {text!r}")
    return key.strip(), value.strip()
