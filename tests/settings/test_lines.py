from pathlib import Path

import pytest

from concur_proxy.settings.file import ConfigFileError
from concur_proxy.settings.lines import line_of

TOML = '''\
# the gateway of floor 3

host = """
port = 1
"""
engine = [
  "http://a",  # port
  "http://b",
]
port = 3

[law_options]
step = 1

alpha = 2
'''

YAML = """\
# the gateway of floor 3
host: |
  port: 1
engine:
  - http://a
  - http://b
port: 3
law_options:
  step: 1

  alpha: 2
"""


@pytest.mark.parametrize(
    ("name", "part", "toml", "yaml"),
    [
        ("host", None, 3, 2),
        ("engine", None, 6, 4),
        ("engine", "http://b", 8, 6),
        ("port", None, 10, 7),
        ("port", "3", 10, 7),
        ("law_options", None, 12, 8),
        ("law_options", "alpha", 15, 11),
        ("law", None, None, None),
    ],
)
def test_the_line_of_a_setting_or_a_part_of_it(
    tmp_path: Path, name: str, part: str | None, toml: int | None, yaml: int | None
) -> None:
    for file, text, line in (("a.toml", TOML, toml), ("a.yaml", YAML, yaml)):
        path = tmp_path / file
        path.write_text(text)
        assert line_of(path, name, part) == line


def test_a_file_that_cannot_be_parsed_has_no_lines_to_tell(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("port: [")
    assert line_of(path, "port") is None


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match="cannot read"):
        line_of(tmp_path / "a.toml", "port")
