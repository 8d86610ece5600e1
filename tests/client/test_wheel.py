"""The distribution `concur-proxy-client`, in an environment of its own that has nothing else."""

import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "concur_proxy" / "client"

USES_IT = """
import sys
from concur_client import attach, headers, session
with session("agent-7"):
    assert headers() == {"x-session-id": "agent-7"}
assert not {"concur_proxy", "httpx", "fastapi", "uvicorn", "redis"} & sys.modules.keys()
"""


@pytest.fixture(name="wheel", scope="module")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=FOLDER, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_it_works_where_nothing_else_is_installed(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path, with_pip=False)
    (site_packages,) = tmp_path.glob("lib/python*/site-packages")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*install, str(site_packages), str(wheel)], check=True, capture_output=True)
    subprocess.run([tmp_path / "bin" / "python", "-I", "-c", USES_IT], check=True, cwd=tmp_path)


def test_it_shares_no_file_with_the_gateway(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        packages = {name.partition("/")[0] for name in archive.namelist()}
        modules = {Path(name).name for name in archive.namelist() if name.startswith("concur_client/")}
    assert {package.partition("-")[0] for package in packages} == {"concur_client", "concur_proxy_client"}
    assert modules == {path.name for path in FOLDER.iterdir() if path.suffix == ".py" or path.name == "py.typed"}


def test_its_version_is_the_gateway_s() -> None:
    own, gateway = (tomllib.loads((folder / "pyproject.toml").read_text()) for folder in (FOLDER, REPOSITORY))
    for name in ("version", "requires-python", "license"):
        assert own["project"][name] == gateway["project"][name]
