"""Where the value of each setting was set, and the setting as the operator wrote it, for error messages."""

import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path

from concur_proxy.cli.flags import default_of, flag_of
from concur_proxy.cli.secrets import redacted
from concur_proxy.settings.file import ConfigFileError, read_config_file
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.settings.lines import line_of
from concur_proxy.settings.secret_files import SECRETS, file_setting
from concur_proxy.settings.sources import ENV_PREFIX


class Origins:
    """Where the value of each setting was set."""

    def __init__(self, flags: Mapping[str, object]) -> None:
        self._flags = flags
        self._variables = {name.upper(): value for name, value in os.environ.items() if value}
        self._path: object = flags.get("config", self._variables.get(f"{ENV_PREFIX}CONFIG"))

    def file(self) -> dict[str, object]:
        """The values of the configuration file; empty if it cannot be read."""
        try:
            return {} if self._path is None else read_config_file(Path(str(self._path)))
        except ConfigFileError:
            return {}

    def describe(self, name: str, value: object = None, *, part: object = None) -> str:
        """The setting as the operator wrote it, without secrets, for the start of an error message.

        `value`: the wrong part of the value, if not all of it is wrong. `part`: the item or key whose line is meant, by
        default `value`.
        """
        variable = ENV_PREFIX + name.upper()
        if name in self._flags:
            return f"{flag_of(name)} {_written(name, self._flags[name] if value is None else value)}"
        if variable in self._variables:
            return f"{variable}={_written(name, self._variables[variable])}"
        file = self.file()
        if name in file:
            place = self._place(name, value if part is None else part)
            return f"{name} = {_written(name, file[name] if value is None else value)} in {place}"
        if self._is_in_secret_file(name):
            return f"{name} {_written(name, value)} from {self.describe(file_setting(name))}"
        default = default_of(GatewaySettings.model_fields[name])
        return f"{name} {default} (the default)"

    def source(self, name: str) -> str:
        """Where the value was set: a flag, a variable, a line of a file, a setting that names a file, or `default`."""
        variable = ENV_PREFIX + name.upper()
        if name in self._flags:
            return flag_of(name)
        if variable in self._variables:
            return variable
        if name in self.file():
            return self._place(name)
        return file_setting(name) if self._is_in_secret_file(name) else "default"

    def unknown(self, name: str) -> str:
        """The error for a name that is not a setting."""
        place = f"in {self._place(name)}" if name in self.file() else "among the flags"
        return f"unknown setting {name!r} {place}: {suggest(name, str)}"

    def _is_in_secret_file(self, name: str) -> bool:
        return name in SECRETS and self.source(file_setting(name)) != "default"

    def _place(self, name: str, part: object = None) -> str:
        line = line_of(Path(str(self._path)), name, part)
        return f"{self._path}" if line is None else f"{self._path} line {line}"


def suggest(name: str, write: Callable[[str], str]) -> str:
    """Advice for an unknown name. `write` turns the name of a setting into what the operator would write."""
    near = get_close_matches(name, GatewaySettings.model_fields, n=1)
    return f"did you mean {write(near[0])}?" if near else "see concur-proxy serve --help"


def _written(name: str, value: object) -> str:
    return _short(redacted(name, value))


def _short(value: object) -> str:
    if isinstance(value, dict):
        text = " ".join(f"{key}={item}" for key, item in value.items())
    elif isinstance(value, list | tuple):
        text = ",".join(map(str, value))
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}..."
