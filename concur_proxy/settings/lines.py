"""Finds the line of a configuration file that contains a setting, for error messages."""

import tomllib
from pathlib import Path

import yaml

from concur_proxy.settings.file import ConfigFileError


def line_of(path: Path, name: str, part: object = None) -> int | None:
    """The line, counted from 1, on which the file sets `name`. With `part`, the line of this item of its list or key of
    its table.

    None if the line is not found. Raises `ConfigFileError` if the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigFileError(f"cannot read {path}") from error
    try:
        return _in_toml(text, name, part) if path.suffix.lower() == ".toml" else _in_yaml(text, name, part)
    except (tomllib.TOMLDecodeError, yaml.YAMLError):
        return None


def _in_toml(text: str, name: str, part: object) -> int | None:
    """tomllib gives no lines. So parse ever longer beginnings of the file: a setting ends where it is first present."""
    lines = text.splitlines()
    began, found = 0, None
    for end in range(1, len(lines) + 1):
        try:
            values = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue  # the cut is inside a value of several lines
        if name in values:
            found = found or _begins(lines, began)
            table = values[name]
            if isinstance(table, dict) and part in table:
                return _naming(lines, began, end, part) or found
            if not isinstance(table, dict):
                return _naming(lines, began, end, part) or found
        began = end
    return found


def _begins(lines: list[str], began: int) -> int:
    """The first line from `began` on that is neither blank nor a comment."""
    used = (number for number in range(began, len(lines)) if lines[number].strip() and lines[number].strip()[0] != "#")
    return next(used, began) + 1


def _naming(lines: list[str], began: int, end: int, part: object) -> int | None:
    if part is None:
        return None
    return next((number + 1 for number in range(began, end) if str(part) in lines[number]), None)


def _in_yaml(text: str, name: str, part: object) -> int | None:
    for key, value in _pairs(yaml.compose(text)):
        if key.value == name:
            inner = [inner_key for inner_key, _ in _pairs(value)]
            items = value.value if isinstance(value, yaml.SequenceNode) else inner
            named = (item for item in items if part is not None and getattr(item, "value", None) == str(part))
            return int(next(named, key).start_mark.line) + 1
    return None


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []
