"""The wheel and the sdist that a release publishes. `python -m tests.deploy.install` installs them with the network."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from tests.deploy.release import ROOT, version

WHEEL = f"concur_proxy-{version(ROOT)}-py3-none-any.whl"
SDIST = f"concur_proxy-{version(ROOT)}"


def build(source: Path, target: str, folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


@pytest.fixture(name="dist", scope="module")
def _dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both packages, built from the files that git knows."""
    folder, source = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("source")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    build(source, "sdist", folder)
    build(source, "wheel", folder)
    return folder


def test_the_wheel_has_the_package_and_nothing_else(dist: Path) -> None:
    names = zipfile.ZipFile(dist / WHEEL).namelist()
    assert {name.partition("/")[0] for name in names} == {"concur_proxy", f"{SDIST}.dist-info"}
    left_out = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    files = [path.relative_to(ROOT) for path in (ROOT / "concur_proxy").rglob("*") if path.is_file()]
    assert {str(path) for path in files if "__pycache__" not in path.parts} - set(left_out.get("exclude", [])) == {
        name for name in names if name.startswith("concur_proxy/")
    }


def test_the_sdist_makes_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    with tarfile.open(dist / f"{SDIST}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    assert (tmp_path / SDIST / "LICENSE").exists()
    build(tmp_path / SDIST, "wheel", tmp_path)
    first, second = zipfile.ZipFile(dist / WHEEL), zipfile.ZipFile(tmp_path / WHEEL)
    assert {each.filename: each.CRC for each in first.infolist()} == {
        each.filename: each.CRC for each in second.infolist()
    }


def test_the_wheel_says_what_it_needs_and_brings_the_command(dist: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(dist / WHEEL) as wheel:
        facts = message_from_string(wheel.read(f"{SDIST}.dist-info/METADATA").decode())
        for name in wheel.namelist():
            wheel.extract(name, tmp_path)
    assert facts["Requires-Python"] == ">=3.11"
    assert {"dev", "otel"} <= set(facts.get_all("Provides-Extra", []))
    entry = (tmp_path / f"{SDIST}.dist-info" / "entry_points.txt").read_text()
    assert "concur-proxy = concur_proxy.cli.main:main" in entry
    shown = subprocess.run(
        [sys.executable, "-m", "concur_proxy", "--version"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert shown.stdout == f"concur-proxy {version(ROOT)}\n"
