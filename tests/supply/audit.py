"""Known vulnerabilities of the packages in the locks, from the databases of OSV or PyPI, by pip-audit."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 2


def audit(lock: str, source: str) -> int:
    """Audit one lock and print what was found. Returns `CLEAN`, `VULNERABLE`, or `NOT_AUDITED` without an answer."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--disable-pip", "--no-deps", "--format=json"]
    command += [f"--vulnerability-service={source}", "--timeout=10", "--progress-spinner=off"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return report(lock, source, done.stdout, done.stderr)


def report(lock: str, source: str, output: str, errors: str) -> int:
    """Print what pip-audit has found, from its output."""
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError):
        reason = (errors.strip().splitlines() or ["no output"])[-1]
        print(f"{lock}: NOT AUDITED, {source} gave no answer: {reason}")
        return NOT_AUDITED
    found = [(package, each) for package in packages for each in package.get("vulns", [])]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    for package, each in found:
        fixed = ", ".join(each["fix_versions"]) or "none"
        print(f"{lock}: {package['name']} {package['version']}: {each['id']}, fixed in: {fixed}")
    print(f"{lock}: {len(packages) - len(skipped)} packages audited with {source}, {len(found)} vulnerabilities known")
    for name in skipped:
        print(f"{lock}: {name} was not audited")
    return VULNERABLE if found else NOT_AUDITED if skipped else CLEAN
