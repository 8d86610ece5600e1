"""The compose file, read by the real compose client, which needs no Docker engine for that."""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from concur_proxy.cli import agents, engine
from concur_proxy.cli.flags import add_flags, read_flags
from concur_proxy.cli.load import load_settings
from concur_proxy.cli.parser import CommandParser

ROOT = Path(__file__).parents[2]
_OWN = Path(sys.executable).with_name("docker-compose")
_PLUGIN = ("docker", "compose")


def compose_client() -> tuple[str, ...] | None:
    """The client of the tests' requirements (Python 3.11 on x86-64 Linux), else this machine's, if it has one."""
    if _OWN.exists():
        return (str(_OWN),)
    if shutil.which("docker") is None:
        return None
    done = subprocess.run([*_PLUGIN, "version"], capture_output=True, check=False)
    return _PLUGIN if done.returncode == 0 else None


COMPOSE = compose_client()
pytestmark = pytest.mark.skipif(COMPOSE is None, reason="needs a compose client: Python 3.11 on x86-64, or docker's")
ALWAYS = {"gateway", "redis", "prometheus", "grafana"}
PROFILES = {None: {"engine", "agents"}, "vllm": {"vllm"}, "sglang": {"sglang"}}


@cache
def services(profile: str | None) -> dict[str, Any]:
    """The services that would run, by name."""
    chosen = () if profile is None else ("--profile", profile)
    assert COMPOSE is not None
    command = [*COMPOSE, *chosen, "config", "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


@pytest.mark.parametrize(("profile", "further"), PROFILES.items())
def test_a_profile_starts_its_engine_and_no_other(profile: str | None, further: set[str]) -> None:
    assert set(services(profile)) == ALWAYS | further


@pytest.mark.parametrize("profile", PROFILES)
def test_the_gateways_engine_is_there_in_every_profile(profile: str | None) -> None:
    names = {"engine"} & set(services(profile))
    aliases = {
        alias
        for service in services(profile).values()
        for network in service.get("networks", {}).values()
        for alias in (network or {}).get("aliases", ())
    }
    assert names | aliases == {"engine"}


@pytest.mark.parametrize("name", ["vllm", "sglang"])
def test_real_engines_reserve_gpus(name: str) -> None:
    (device,) = services(name)[name]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert device["driver"] == "nvidia"


def test_mounted_files_exist() -> None:
    for name, service in services(None).items():
        for volume in service.get("volumes", ()):
            assert volume["type"] != "bind" or Path(volume["source"]).exists(), f"{name}: {volume['source']}"


def test_images_are_pinned_and_ports_are_this_machines() -> None:
    for profile in PROFILES:
        for name, service in services(profile).items():
            tag = service["image"].rpartition(":")[2]
            assert tag[:1] in "v0123456789", f"{name}: {service['image']}"
            assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ()))


def test_our_commands_are_understood() -> None:
    serve = CommandParser("serve", usage="", description="")
    add_flags(serve)
    parsers = {"serve": serve, "engine": engine._parser(), "agents": agents._parser()}
    for service in services(None).values():
        if service["image"].startswith("concur-proxy:"):
            command, *arguments = service["command"]
            given = parsers[command].read(arguments)
            if command == "serve":
                assert load_settings(read_flags(given)).store == "redis"
            assert service["read_only"]


def test_prometheus_finds_gateways_by_the_services_name_and_port() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (scrape,) = config["scrape_configs"]
    (names,) = scrape["dns_sd_configs"]
    assert names["names"] == ["gateway"]
    assert [port["target"] for port in services(None)["gateway"]["ports"]] == [names["port"]]


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    grafana = ROOT / "deploy" / "grafana"
    (source,) = yaml.safe_load((grafana / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((grafana / "provisioning/dashboards/concur-proxy.yml").read_text())["providers"]
    targets = {volume["target"]: Path(volume.get("source", "")) for volume in services(None)["grafana"]["volumes"]}
    assert [file.name for file in targets[provider["options"]["path"]].iterdir()] == ["concur-proxy.json"]
