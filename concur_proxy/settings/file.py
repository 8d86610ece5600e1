"""Reads a configuration file, TOML or YAML by the ending of its name. Each error is one line that names the place."""

import re
import tomllib
from collections.abc import Callable, Hashable
from pathlib import Path

import yaml


class ConfigFileError(Exception):
    """The configuration file cannot be used. The message is one line."""


def read_config_file(path: Path) -> dict[str, object]:
    """Return the file's keys and values. Raises `ConfigFileError` if it cannot be read or has no settings by name."""
    parsers: dict[str, Callable[[str], object]] = {
        ".toml": tomllib.loads,
        ".yaml": _load_yaml,
        ".yml": _load_yaml,
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


class _Loader(yaml.SafeLoader):
    """Refuses a key that is set twice, as TOML does; YAML would silently take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002 - PyYAML's
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value} is set twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _load_yaml(text: str) -> object:
    return yaml.load(text, _Loader)  # noqa: S506 - a kind of SafeLoader


def _complaint(error: Exception) -> str:
    """The parser's message on one line, with the place first."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', None) or 'not valid YAML'}"
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error))
    if found is not None:
        return f"line {found[2]}, column {found[3]}: {found[1]}"
    return " ".join(str(error).split())
