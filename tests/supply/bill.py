"""The bill of materials: every package of `requirements.lock`, with its licence, its hashes and what it depends on.

cyclonedx-bom describes what is installed; the lock says which part of it is the gateway's and adds the hashes.
"""

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"

_ENTRY = re.compile(r"^([a-z0-9-]+)==([^ ;\\]+)([^\n]*\n(?:    --hash[^\n]*\n?)*)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

Component = dict[str, Any]


def locked() -> dict[str, tuple[str, list[str]]]:
    """The version of each package in the lock, and the SHA-256 of each of its files."""
    return {name: (version, _HASH.findall(rest)) for name, version, rest in _ENTRY.findall(LOCK.read_text())}


def build() -> dict[str, Any]:
    """Return the bill in CycloneDX 1.6. Raises `ValueError` if an installed version is not the lock's."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", "pyproject.toml"]
    command += ["--output-reproducible", "--of", "JSON", "-o", "-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    bill: dict[str, Any] = json.loads(done.stdout)
    installed = {normal(one["name"]): one for one in bill["components"]}
    bill["components"] = [_component(name, installed.get(name)) for name in locked()]
    known = {one["bom-ref"] for one in bill["components"]} | {"root-component"}
    bill["dependencies"] = [
        {**one, "dependsOn": [each for each in one.get("dependsOn", []) if each in known]}
        for one in bill["dependencies"]
        if one["ref"] in known
    ]
    return bill


def licences(bill: dict[str, Any]) -> dict[str, str]:
    """The licence of each package, as its authors declare it; empty where it is not installed on this platform."""
    return {one["name"]: " AND ".join(_declared(one)) or _field(one["name"]) for one in bill["components"]}


def table(bill: dict[str, Any]) -> str:
    """The licences as a table in Markdown."""
    lines = ["| Package | Version | Licence |", "| --- | --- | --- |"]
    versions = {one["name"]: one["version"] for one in bill["components"]}
    for name, licence in licences(bill).items():
        lines.append(f"| {name} | {versions[name]} | {licence or 'not installed on this platform'} |")
    return "\n".join(lines) + "\n"


def normal(name: str) -> str:
    """A package's name as the lock writes it."""
    return re.sub(r"[._-]+", "-", name).lower()


def _component(name: str, installed: Component | None) -> Component:
    version, hashes = locked()[name]
    if installed is not None and installed["version"] != version:
        raise ValueError(f"{name} {installed['version']} is installed, but the lock has {version}")
    reference = {"type": "distribution", "url": f"https://pypi.org/project/{name}/{version}/"}
    files = [{**reference, "hashes": [{"alg": "SHA-256", "content": each}]} for each in hashes]
    minimal = {"type": "library", "name": name, "version": version, "bom-ref": f"{name}=={version}"}
    found = installed or {**minimal, "purl": f"pkg:pypi/{name}@{version}"}
    return {**found, "externalReferences": [*found.get("externalReferences", []), *files]}


def _field(name: str) -> str:
    """The field `License` of an installed package, a free text that cyclonedx-bom leaves out."""
    try:
        return str(metadata(name).json.get("license") or "not declared")
    except PackageNotFoundError:
        return ""


def _declared(component: Component) -> list[str]:
    """Its licences: expressions and identifiers if there are any, else names."""
    entries = component.get("licenses", [])
    exact = [entry.get("expression") or entry.get("license", {}).get("id") for entry in entries]
    named = [entry.get("license", {}).get("name") for entry in entries]
    return sorted({each for each in exact if each} or {each.rpartition(" :: ")[2] for each in named if each})
