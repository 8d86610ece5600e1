"""The workflows that check and publish, and the commands that they call."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from tests.deploy import release

WORKFLOWS = sorted((release.ROOT / ".github" / "workflows").glob("*.yml"))
PROGRAMS = {"docker", "echo", "gh", "helm", "pipx", "python3", "sh", "sudo", ".venv/bin/python"}
"""What GitHub's Ubuntu has, or an earlier step has made."""
DIGEST = "sha256:" + "0" * 64


def workflow(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


def steps(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in workflow(path)["jobs"].items():
        yield from ((name, step) for step in job["steps"])


def scripts(path: Path) -> list[str]:
    return [step["run"] for _, step in steps(path) if "run" in step]


@pytest.fixture(name="copy")
def _copy(tmp_path: Path) -> Path:
    """The files with a version, and the chart."""
    for path in {path for path, _ in release.places(release.ROOT)} | {release.CHANGELOG}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(release.ROOT / path, tmp_path / path)
    shutil.copytree(release.ROOT / release.CHART, tmp_path / release.CHART, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_each_job_has_few_rights_a_limit_and_pinned_actions(path: Path) -> None:
    flow = workflow(path)
    assert flow["permissions"] == {"contents": "read"}
    for job in flow["jobs"].values():
        assert job["timeout-minutes"] <= 30
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= flow["jobs"].keys()
    for line in re.findall(r"uses: (.+)", path.read_text()):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_commands_of_a_workflow_exist(path: Path) -> None:
    for script in scripts(path):
        subprocess.run(["sh", "-n", "-c", script], check=True)
        lines = [line for line in script.replace("\\\n", " ").splitlines() if not re.match(r"\w+=", line)]
        assert {line.split()[0] for line in lines} <= PROGRAMS, script
        for module in re.findall(r"-m (tests[\w.]*)", script):
            assert find_spec(module) is not None, module
        for name in re.findall(r"(?<![\w/.-])((?:deploy|tests)/[\w/.-]+)", script):
            assert (release.ROOT / name).exists(), name
        assert "${{" not in script, "a value that becomes a part of a script can be a command"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_job_that_uses_a_token_has_the_right(path: Path) -> None:
    jobs = workflow(path)["jobs"]
    for name, step in steps(path):
        rights = jobs[name].get("permissions", {})
        if "attest-build-provenance" in step.get("uses", ""):
            assert rights["id-token"] == rights["attestations"] == "write"
        if ' login "$REGISTRY"' in step.get("run", ""):
            assert rights["packages"] == "write"


def test_nothing_is_published_before_the_checks_pass() -> None:
    jobs = workflow(release.ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "checks": None,
        "packages": "checks",
        "image": "checks",
        "chart": "image",
        "publish": ["packages", "image", "chart"],
    }


def test_all_versions_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["check"]) == 0
    assert (
        capsys.readouterr().out
        == f"{tomllib.loads((release.ROOT / 'pyproject.toml').read_text())['project']['version']}: all places agree\n"
    )


def test_a_version_is_written_everywhere(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["set", "7.8.9"], copy) == 0
    assert set(release.versions(copy).values()) == {"7.8.9"}
    assert release.main(["check", "v7.8.9"], copy) == 0
    assert release.main(["notes"], copy) == 0
    changes = capsys.readouterr().out.partition("\n")[2]
    assert changes.startswith("### Added\n\n- ")
    assert "## [" not in changes
    (first, *_) = (
        (release.ROOT / release.CHANGELOG).read_text().partition("\n## [Unreleased]\n")[2].strip().splitlines()
    )
    assert first in changes
    assert re.search(
        r"\n## \[Unreleased\]\n\n## \[7\.8\.9\] - \d{4}-\d\d-\d\d\n", (copy / release.CHANGELOG).read_text()
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["set", "next"], "next is not a version, such as 0.2.0 or 1.0.0-rc.1"),
        (["check", "v9.9.9"], "the tag v9.9.9 is not v"),
        (["chart", "there", "--image", "i", "--digest", ""], "nothing is not a digest"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str], problem: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release.main(arguments, copy) == 1
    assert capsys.readouterr().err.startswith(f"release: {problem}")


def test_versions_that_differ_are_an_error(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compose = copy / "docker-compose.yml"
    compose.write_text(re.sub(r"image: concur-proxy:\S+", "image: concur-proxy:0.0.1", compose.read_text()))
    assert release.main(["check"], copy) == 1
    assert "docker-compose.yml: image: concur-proxy: 0.0.1" in capsys.readouterr().err


def test_the_published_chart_takes_exactly_the_image_of_the_release(tmp_path: Path) -> None:
    folder = tmp_path / "concur-proxy"
    name = "registry.example.org/somebody/concur-proxy"
    assert release.main(["chart", str(folder), "--image", name, "--digest", DIGEST]) == 0
    with helm_python.Chart.load(folder) as chart:
        files = chart.render({}, name="concur-proxy", namespace="default")
    (deployment,) = (text for name, text in files.items() if name.endswith("/deployment.yaml"))
    (container,) = yaml.safe_load(deployment)["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith(name)
    assert container["image"].endswith(f"@{DIGEST}")
