"""The Dockerfile is linted, and its build steps are run in a clean directory."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.benchmarks.process import free_port, wait_until_listening

ROOT = Path(__file__).parents[2]
PREFIX = "/opt/concur-proxy"


def instructions() -> Iterator[tuple[str, str]]:
    """Each instruction and its text, with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def in_final_stage() -> dict[str, str]:
    found: dict[str, str] = {}
    for word, text in instructions():
        found = {} if word == "FROM" else {**found, word: text}
    return found


@pytest.fixture(name="installed", scope="module")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the build stage leaves under its prefix."""
    source, prefix = tmp_path_factory.mktemp("src"), tmp_path_factory.mktemp("opt") / "concur-proxy"
    bin_folder = tmp_path_factory.mktemp("bin")
    (bin_folder / "python").symlink_to(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    for word, text in list(instructions())[1:]:
        if word == "FROM":
            break
        if word == "COPY":
            *names, target = text.split()
            for name in names:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, source / target)
                else:
                    shutil.copy(ROOT / name, source / target)
        elif word == "RUN":
            command = text.replace(PREFIX, str(prefix))
            done = subprocess.run(
                ["sh", "-c", command], cwd=source, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return prefix


HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint comes for x86-64 alone")
def test_hadolint_has_nothing_to_say() -> None:
    command = [str(HADOLINT), "Dockerfile"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_built_image_serves_is_healthy_and_stops_on_its_signal(installed: Path) -> None:
    final = in_final_stage()
    (program,) = json.loads(final["ENTRYPOINT"])
    command = [str(installed / "bin" / program), *json.loads(final["CMD"])]
    port = free_port()
    # set as an orchestrator does; the gateway starts although the engine cannot be reached
    environment = {"CONCUR_ENGINE": f"http://127.0.0.1:{free_port()}", "CONCUR_PORT": str(port), "HOME": "/nonexistent"}
    process = subprocess.Popen(command, cwd="/", env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_until_listening(process, port)
        _, _, check = final["HEALTHCHECK"].partition("CMD ")
        interpreter, *arguments = json.loads(check)
        check_environment = {**environment, "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
        subprocess.run([installed / "bin" / interpreter, *arguments], check=True, timeout=10, env=check_environment)
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == httpx.codes.OK
        process.send_signal(getattr(signal, final["STOPSIGNAL"]))
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def test_nothing_that_only_builds_is_left_in(installed: Path) -> None:
    packages = {path.name.partition("-")[0] for path in installed.glob("lib/python3.*/site-packages/*.dist-info")}
    assert {"concur_proxy", "uvicorn", "redis"} <= packages
    assert not packages & {"pip", "hatchling", "editables", "pytest"}


def test_the_user_has_no_rights_and_dependencies_are_hashed() -> None:
    final = in_final_stage()
    assert final["USER"] == "65532:65532"
    installs = [shlex.split(text) for word, text in instructions() if word == "RUN" and "pip install" in text]
    assert all({"--require-hashes", "--no-deps"} & set(words) for words in installs)
    assert all(":" in text for word, text in instructions() if word == "FROM"), "a base without its version"
