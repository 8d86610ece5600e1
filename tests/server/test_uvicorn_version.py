import tomllib
from pathlib import Path

import pytest
import uvicorn

from concur_proxy.server.uvicorn_version import FIRST_TESTED_UVICORN, FIRST_UNTESTED_UVICORN, untested_uvicorn


def test_the_project_asks_for_the_uvicorn_versions_that_were_tested() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    first, end = (".".join(map(str, bound)) for bound in (FIRST_TESTED_UVICORN, FIRST_UNTESTED_UVICORN))
    assert f"uvicorn>={first},<{end}" in project["dependencies"]
    assert untested_uvicorn(uvicorn.__version__) is None


@pytest.mark.parametrize(
    ("version", "is_tested"),
    [
        ("0.35.0", False),
        ("0.36.0", True),
        ("0.54.9", True),
        ("0.54.0.post1", True),
        ("0.55.0", False),
        ("1.0", False),
        ("1.0rc1", False),
    ],
)
def test_an_untested_uvicorn_is_reported_with_the_command_that_helps(version: str, is_tested: bool) -> None:  # noqa: FBT001
    advice = untested_uvicorn(version)
    assert (advice is None) == is_tested
    assert advice is None or advice == (
        f"uvicorn {version} was not tested with this gateway: pip install 'uvicorn>=0.36,<0.55'"
    )
