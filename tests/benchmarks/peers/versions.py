"""The peers' environments: made once, and which version is in each."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from tests.benchmarks.fingerprint import digest
from tests.benchmarks.peers.arms import PACKAGES
from tests.benchmarks.relay.environments import installed
from tests.benchmarks.relay.python_peers import THUNDER


@dataclass(frozen=True, slots=True)
class Version:
    """An installed peer."""

    name: str
    """Package and version."""
    files: str
    """A digest of its files: a package that is installed from sources can change and keep its version."""


def install(arms: Iterable[str], environments: Path, *, thunder: str) -> set[str]:
    """Make the environments of these arms that are missing. Returns the packages that cannot be installed here.
    `thunder` is where pip gets ThunderAgent.
    """
    packages = {PACKAGES[arm] for arm in arms if arm in PACKAGES}
    return {
        package
        for package in packages
        if installed(package, environments, source=thunder if package == THUNDER else None) is None
    }


def version(package: str, environments: Path) -> Version | None:
    """What is installed. None if nothing is."""
    folders = (environments / package).glob("lib/python*/site-packages")
    for found in distributions(name=package, path=[str(folder) for folder in folders]):
        files = sorted(
            f"{file} {file.hash.value}" for file in found.files or () if file.hash and file.suffix in (".py", ".so")
        )
        return Version(f"{package} {found.version}", digest(files))
    return None
