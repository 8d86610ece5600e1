"""Reads a configuration file, TOML or YAML by the ending of its name. Each error is one line that names the place."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml


class ConfigFileError(Exception):
    """The configuration file cannot be used. The message is one line."""


def read_config_file(path: Path) -> dict[str, object]:
    """Return the file's keys and values. Raises `ConfigFileError` if it cannot be read or has no settings by name."""
    parsers: dict[str, Callable[[str], object]] = {
        ".toml": tomllib.loads,
        ".yaml": yaml.safe_load,
        ".yml": yaml.safe_load,
    }
    parse = parsers.get(path.suffix.lower())
    if parse is None:
        raise ConfigFileError(f"{path}: its name must end in .toml, .yaml or .yml")
    try:
        values = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigFileError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigFileError(f"{path}: {_complaint(error)}") from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigFileError(f"{path}: must contain settings by name, such as port: 8300")
    return values


def _complaint(error: Exception) -> str:
    """The parser's message on one line, with the place first."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', None) or 'not valid YAML'}"
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error))
    if found is not None:
        return f"line {found[2]}, column {found[3]}: {found[1]}"
    return " ".join(str(error).split())
