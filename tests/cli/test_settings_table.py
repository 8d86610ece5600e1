from pathlib import Path

from concur_proxy.cli.settings_table import settings_table
from concur_proxy.settings.gateway import GatewaySettings

README = Path(__file__).parents[2] / "README.md"


def test_one_row_for_each_setting() -> None:
    rows = settings_table().splitlines()[2:]
    assert sorted(row.split("`")[1] for row in rows) == sorted(GatewaySettings.model_fields)


def test_the_readme_has_the_table() -> None:
    assert settings_table() in README.read_text(), (
        "the settings have changed: put the output of `python -m concur_proxy.cli.settings_table` into README.md"
    )
