"""Sources of settings other than flags: the environment and the configuration file."""

import json
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, PydanticBaseSettingsSource

from concur_proxy.settings.file import ConfigFileError, read_config_file

ENV_PREFIX = "CONCUR_"


class Environment(EnvSettingsSource):
    """`CONCUR_*` variables. Invalid JSON stays text, because the validation says what is expected."""

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
        return values
