"""Sources of settings other than flags: the environment and the configuration file."""

import json
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from concur_proxy.settings.file import ConfigFileError, read_config_file

ENV_PREFIX = "CONCUR_"


def without_faults(settings_cls: type[BaseSettings], values: dict[str, object]) -> dict[str, object]:
    """The values that a draft does not leave out, see `GatewaySettings.left_out`."""
    left_out = getattr(settings_cls, "left_out", None) or ()
    return {name: value for name, value in values.items() if name not in left_out}


class Environment(EnvSettingsSource):
    """`CONCUR_*` variables. Invalid JSON stays text, because the validation says what is expected."""

    def __call__(self) -> dict[str, object]:
        return without_faults(self.settings_cls, super().__call__())

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: str) -> object:  # noqa: ARG002
        if field_name != "law_options":
            return value
        try:
            return json.loads(value)
        except ValueError:
            return value


class ConfigFile(PydanticBaseSettingsSource):
    """The file that a flag or the environment names in `config`."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, object]:
        path = self.current_state.get("config")
        if path is None:
            return {}
        values = read_config_file(Path(path))
        if "config" in values:
            raise ConfigFileError(
                f"config in {path}: a configuration file cannot name another one; use --config or {ENV_PREFIX}CONFIG"
            )
        return without_faults(self.settings_cls, values)
