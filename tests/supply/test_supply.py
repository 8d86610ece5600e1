"""The bill of materials is complete, no licence binds a user, an audit without an answer is no clean one."""

import importlib.util
import json
import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

from tests.supply import audit, images
from tests.supply.__main__ import main
from tests.supply.bill import locked, normal

needs_cyclonedx = pytest.mark.skipif(importlib.util.find_spec("cyclonedx_py") is None, reason="needs cyclonedx-bom")

PERMISSIVE = re.compile(r"MIT|BSD|Apache|PSF|Python Software Foundation|ISC|MPL|Mozilla Public", re.IGNORECASE)
COPYLEFT = re.compile(r"\b(A|L)?GPL|General Public|SSPL|BUSL|Commons Clause", re.IGNORECASE)


def declared(name: str) -> str | None:
    """What an installed package says about its licence."""
    try:
        said = metadata(name).json
    except PackageNotFoundError:
        return None
    classifiers = [text for text in said.get("classifier", []) if text.startswith("License")]
    return " ".join([*classifiers, str(said.get("license_expression", "")), str(said.get("license", ""))[:200]])


@pytest.mark.parametrize("name", sorted(locked()))
def test_no_package_that_the_gateway_runs_with_has_a_licence_that_binds_its_users(name: str) -> None:
    said = declared(name)
    if said is not None:
        assert PERMISSIVE.search(said), said
        assert not COPYLEFT.search(said), said


@needs_cyclonedx
def test_the_bill_has_every_locked_package_with_its_licence_and_hashes(tmp_path: Path) -> None:
    assert main(["bill", str(tmp_path)]) == 0
    bill = json.loads((tmp_path / "sbom.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "concur-proxy")
    assert {normal(one["name"]): one["version"] for one in bill["components"]} == {
        name: version for name, (version, _) in locked().items()
    }
    for one in bill["components"]:
        hashes = [file["hashes"][0]["content"] for file in one["externalReferences"] if "hashes" in file]
        assert hashes == locked()[normal(one["name"])][1]
        assert hashes
    (root,) = (one for one in bill["dependencies"] if one["ref"] == "root-component")
    assert any(ref.startswith("httptools==") for ref in root["dependsOn"])
    rows = (tmp_path / "licences.md").read_text().splitlines()[2:]
    assert len(rows) == len(locked())
    assert "| httptools | " in "\n".join(rows)
    assert "not declared" not in "\n".join(rows)


ONE = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("output", "status", "said"),
    [
        ("", audit.NOT_AUDITED, "NOT AUDITED, osv gave no answer: no route to host"),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}',
            audit.CLEAN,
            "1 packages audited with osv, 0",
        ),
        (json.dumps({"dependencies": [ONE]}), audit.VULNERABLE, "a 1: CVE-1, fixed in: 2"),
        ('{"dependencies": [{"name": "a", "skip_reason": "unknown"}]}', audit.NOT_AUDITED, "a was not audited"),
    ],
    ids=["no answer", "clean", "vulnerable", "skipped"],
)
def test_an_audit_says_what_it_found_or_that_it_found_nothing_out(
    capsys: pytest.CaptureFixture[str], output: str, status: int, said: str
) -> None:
    assert audit.report("a.lock", "osv", output, "Traceback\nno route to host\n") == status
    assert said in capsys.readouterr().out


def test_each_image_that_can_be_moved_is_reported_with_the_command_that_pins_it() -> None:
    named = {image for _, image in images.images()}
    assert {image.partition(":")[0] for image in named} >= {"python", "redis", "vllm/vllm-openai"}
    assert len(images.warnings()) == sum(not images.is_pinned(image) for _, image in images.images())
    assert images.is_pinned("python:3.12-slim@sha256:" + "0a" * 32)
    assert not images.is_pinned("python:3.12-slim@sha256:0a")


def test_no_image_is_named_without_a_version() -> None:
    for path, image in images.images():
        tag = image.rpartition(":")[2]
        assert re.search(r"\d", tag), f"{path}: {image}"
