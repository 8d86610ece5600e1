"""The guide to updates agrees with the code."""

import re
from pathlib import Path

from concur_proxy.coordination.redis.link import PROTOCOL
from concur_proxy.server.reload import RELOADABLE
from concur_proxy.settings.gateway import GatewaySettings

GUIDE = (Path(__file__).parents[2] / "deploy" / "docs" / "guides" / "update.md").read_text()
PLACE = {"store", "redis_url", "redis_url_file", "redis_prefix"}
"""Settings that decide which gateways see each other."""


def test_the_last_row_of_the_table_has_the_protocol_of_this_version() -> None:
    rows = re.findall(r"(?m)^\| ([\w.]+) \| (\d+|none in its keys) \|", GUIDE)
    assert rows[-1][1] == str(PROTOCOL), "a new protocol needs a row: see .github/RELEASING.md"
    assert f"`{{concur}}:{PROTOCOL}:...`" in GUIDE


def test_the_settings_that_need_more_than_a_restart_are_named() -> None:
    (row,) = re.findall(r"(?m)^\| (.+) \| as for different protocols", GUIDE)
    named = set(re.findall(r"`(\w+)`", row))
    assert named == PLACE
    assert named <= GatewaySettings.model_fields.keys()
    assert not named & RELOADABLE
