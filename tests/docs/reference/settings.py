"""The page of settings: every field of `GatewaySettings`, in the order of `--help`."""

from pydantic.fields import FieldInfo

from concur_proxy.cli.flags import SECTIONS, default_of, flag_of
from concur_proxy.server.reload import RELOADABLE
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.settings.sources import ENV_PREFIX
from tests.docs.reference.page import code, codes, page, table

ABOUT = f"""\
A setting has one name and three places. The strongest place wins:

1. a flag of `serve`: `--max-hold-s 300`
2. an environment variable: `{ENV_PREFIX}MAX_HOLD_S=300`
3. a key in the TOML or YAML file that `--config` names: `max_hold_s = 300`

Names that end in `_s` are seconds, names that end in `_bytes` are bytes. Both can be numbers, or texts with a unit:

| | Units | Examples |
| --- | --- | --- |
| seconds | `d`, `h`, `m`, `s`, `ms`, the largest first | `300`, `90s`, `5m`, `1h30m`, `500ms` |
| bytes, tokens | `k`, `M`, `G`, `T` (powers of 1,000), `Ki`, `Mi`, `Gi` (of 1,024) | `65536`, `64k`, `200M`, `1Gi` |

`check-config` shows the number that is used. The options of laws and the limits in `client_keys_file` take the same
texts. A list is separated by commas in the
environment; its flag can be repeated; in a file it is a list. `concur-proxy check-config` shows every setting that is
in force, and where it was set.

"Live" marks settings that take effect as soon as the file changes or the gateway gets SIGHUP. All others take effect at
the next start."""

LAW_OPTIONS = "law_options"


def settings_page() -> str:
    """One table for each section, one row for each setting."""
    sections = [
        f"## {title.capitalize()}\n\n"
        + table(
            ["Setting", "Default", "Live", "Meaning"],
            [_row(name, GatewaySettings.model_fields[name]) for name in names],
        )
        for title, names in SECTIONS.items()
    ]
    return page("Settings", ABOUT, *sections)


def _row(name: str, field: FieldInfo) -> list[str]:
    default = default_of(field)
    shown = codes(default.split(", ")) if default else ""
    flag = f" ({code(f'{flag_of(name)} key=value')})" if name == LAW_OPTIONS else ""
    return [f"{code(name)}{flag}", shown, "yes" if name in RELOADABLE else "", field.description or ""]
