"""The settings as a Markdown table, for the README: `python -m concur_proxy.cli.settings_table`."""

from pydantic.fields import FieldInfo

from concur_proxy.cli.flags import SECTIONS, default_of, flag_of
from concur_proxy.settings.gateway import GatewaySettings

HEADING = """\
| Setting | Default | Meaning |
| --- | --- | --- |
"""


def settings_table() -> str:
    """One row a setting, in the order of `--help`. The name is the file's key; flag and variable follow from it."""
    names = [name for section in SECTIONS.values() for name in section]
    return HEADING + "".join(_row(name, GatewaySettings.model_fields[name]) for name in names)


def _row(name: str, field: FieldInfo) -> str:
    default = default_of(field)
    shown = ", ".join(f"`{item}`" for item in default.split(", ")) if default else ""
    flag = "" if name != "law_options" else f" (`{flag_of(name)} key=value`)"
    return f"| `{name}`{flag} | {shown} | {field.description} |\n"


if __name__ == "__main__":
    print(settings_table(), end="")
