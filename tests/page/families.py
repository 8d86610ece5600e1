"""A fleet of agents in families: three tenants with different weights, and families of one to six agents."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

WEIGHTS = {"research": 3.0, "coding": 2.0, "evaluation": 1.0}
"""The tenants."""
SUB_AGENTS = ("explore", "review", "write-tests", "fix-types", "search-docs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A main agent and the sub-agents that it starts. They are named as Claude Code names them."""

    number: int

    @property
    def tenant(self) -> str:
        return list(WEIGHTS)[self.number % len(WEIGHTS)]

    @property
    def name(self) -> str:
        """The session's name."""
        return f"agent-{self.number:03}"

    @property
    def sub_agents(self) -> tuple[str, ...]:
        return SUB_AGENTS[: self.number * 7 // 3 % 6]

    def members(self) -> Iterator[tuple[str, dict[str, str]]]:
        """The name and the headers of each agent, the main agent first."""
        headers = {"authorization": f"Bearer {_key(self.tenant)}", "x-claude-code-session-id": self.name}
        yield "main", headers
        for name in self.sub_agents:
            yield name, {**headers, "x-claude-code-agent-id": name}


def fleet(families: int) -> list[Family]:
    """So many families."""
    return [Family(number=number) for number in range(families)]


@contextmanager
def client_keys_file() -> Iterator[Path]:
    """A file with the tenants' keys and weights, for the setting `client_keys_file`."""
    tables = [
        f"[[keys]]\nsha256 = '{sha256(_key(tenant).encode()).hexdigest()}'\ntenant = '{tenant}'\nweight = {weight}\n"
        for tenant, weight in WEIGHTS.items()
    ]
    with tempfile.TemporaryDirectory(prefix="concur-keys-") as folder:
        file = Path(folder) / "keys.toml"
        file.write_text("\n".join(tables))
        yield file


def _key(tenant: str) -> str:
    return f"key of {tenant}"
