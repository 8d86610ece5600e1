"""Reads secrets from files, as Docker and Kubernetes provide them: `admin_key_file` names a file with the admin key."""

from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from concur_proxy.settings.sources import without_faults

SECRETS = ("admin_key", "engine_api_key", "redis_url")
"""Settings that can also come from the file that `<name>_file` names. `redis_url` can contain a password."""


class SecretFileError(Exception):
    """A secret cannot be read from its file."""

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"{setting}: {reason}")
        self.setting = setting
        """The setting that names the file."""
        self.reason = reason


def file_setting(secret: str) -> str:
    """The setting that names the file of a secret: `admin_key_file` for `admin_key`."""
    return f"{secret}_file"


def read_secret(path: Path) -> str:
    """Read a secret without the line breaks at its end; `ValueError` says why it cannot be used."""
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError("the file is not UTF-8 text") from error
    if not secret:
        raise ValueError("the file is empty")
    return secret


class SecretFiles(PydanticBaseSettingsSource):
    """The files that flags, environment or configuration file name in `<secret>_file`."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, object]:
        paths = {name: self.current_state.get(file_setting(name)) for name in SECRETS}
        found: dict[str, object] = {
            name: self._secret(name, path) for name, path in paths.items() if isinstance(path, str | Path)
        }
        return without_faults(self.settings_cls, found)

    def _secret(self, name: str, path: str | Path) -> str:
        if self.current_state.get(name) is not None:
            raise SecretFileError(file_setting(name), f"{name} is set too: set only one of them")
        try:
            return read_secret(Path(path))
        except ValueError as error:
            raise SecretFileError(file_setting(name), str(error)) from error
