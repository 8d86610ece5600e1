"""Reading a configuration file: TOML or YAML by its name, with the place of every mistake in one line."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml


class ConfigFileError(Exception):
    """The configuration file cannot be used; the message is one line."""


def read_config_file(path: Path) -> dict[str, object]:
    """The file's keys and values as written; ConfigFileError when it cannot be read or is no table of settings."""
    parsers: dict[str, Callable[[str], object]] = {
        ".toml": tomllib.loads,
        ".yaml": yaml.safe_load,
        ".yml": yaml.safe_load,
    }
    parse = parsers.get(path.suffix.lower())
    if parse is None:
        raise ConfigFileError(f"{path}: name it .toml, .yaml or .yml, so that its format is known")
    try:
        values = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigFileError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigFileError(f"{path}: {_complaint(error)}") from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigFileError(f"{path}: must hold settings by name, such as port: 8300")
    return values


def _complaint(error: Exception) -> str:
    """What a parser says, on one line, with the place first."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', None) or 'no valid YAML'}"
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error))
    if found is not None:
        return f"line {found[2]}, column {found[3]}: {found[1]}"
    return " ".join(str(error).split())
