"""`concur-proxy check-config`: checks the settings of `serve` without serving."""

import json
import sys
from collections.abc import Sequence

from concur_proxy.cli.flags import SECTIONS, add_flags, read_flags
from concur_proxy.cli.load import SettingsError, advise, load_settings
from concur_proxy.cli.origins import Origins
from concur_proxy.cli.parser import CommandParser, complain
from concur_proxy.cli.secrets import redacted
from concur_proxy.settings.gateway import GatewaySettings

PROG = "concur-proxy check-config"

DESCRIPTION = """\
Reads flags, environment and the file of --config as `serve` does. Reports each error with its line in the file. If
there is no error, shows each setting and where it was set. Does not check whether the port is free, because a gateway
may already use it. Exit status: 0, or 2 if serve would refuse to start."""

EPILOG = """\
examples:
  concur-proxy check-config --config gateway.toml
  concur-proxy check-config --config gateway.toml && kill -HUP "$(pidof -s concur-proxy)\""""


def main(arguments: Sequence[str]) -> int:
    """Check and print; returns the exit status."""
    parser = CommandParser(PROG, usage="[--config FILE] [options]", description=DESCRIPTION, epilog=EPILOG)
    add_flags(parser)
    namespace, problems = parser.read_known(arguments)
    flags = read_flags(namespace)
    try:
        settings = load_settings(flags, problems)
    except SettingsError as error:
        return complain(PROG, *error.problems)
    for line in advise(settings):
        print(f"{PROG}: warning: {line}", file=sys.stderr)
    for row in _rows(settings, Origins(flags)):
        print(row)
    return 0


def _rows(settings: GatewaySettings, origins: Origins) -> list[str]:
    names = [name for section in SECTIONS.values() for name in section]
    shown = {name: _shown(name, getattr(settings, name)) for name in names}
    width = max(map(len, names))
    return [f"{name:{width}} = {shown[name]}  # {origins.source(name)}" for name in names]


def _shown(name: str, value: object) -> str:
    """The value as TOML and JSON write it, so that it can be copied into the file; None as an empty text."""
    if isinstance(value, tuple):
        return json.dumps([redacted(name, item) for item in value], ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {json.dumps(item)}" for key, item in value.items()) + "}"
    hidden = "" if value is None else redacted(name, value)
    return json.dumps(hidden if isinstance(hidden, bool | int | float) else str(hidden), ensure_ascii=False)
