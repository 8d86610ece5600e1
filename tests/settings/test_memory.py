"""How many bytes of bodies a process holds by default."""

from pathlib import Path

import pytest

from concur_proxy.settings import memory
from concur_proxy.settings.memory import OPEN_BYTES, default_buffered_bytes, memory_bytes
from tests.settings.test_gateway import settings

GB = 1 << 30


@pytest.mark.parametrize(
    ("gigabytes", "workers", "has_keys", "expected"),
    [
        (64, 1, False, OPEN_BYTES),
        (64, 1, True, 16 * GB),
        (64, 4, True, 4 * GB),
        (1, 1, False, OPEN_BYTES),
        (1, 1, True, OPEN_BYTES),
        (0.5, 1, False, GB // 8),
        (0.5, 1, True, GB // 8),
        (0.5, 2, True, GB // 16),
    ],
)
def test_bodies_take_a_quarter_of_the_memory_and_much_only_with_keys(
    gigabytes: float, workers: int, *, has_keys: bool, expected: int
) -> None:
    assert default_buffered_bytes(round(gigabytes * GB), workers=workers, has_keys=has_keys) == expected


@pytest.mark.parametrize(
    ("groups", "file"),
    [
        (None, "memory.max"),
        (None, "memory/memory.limit_in_bytes"),
        ("0::/\n", "memory.max"),
        ("0::/system.slice/gateway.service\n", "system.slice/gateway.service/memory.max"),
        ("0::/system.slice/gateway.service\n", "system.slice/memory.max"),
        ("0::/../absent\n1:name=systemd:/a:b\n", "memory.max"),
        ("9:cpu:/x\n7:hugetlb,memory:/pod:1/box\n", "memory/pod:1/memory.limit_in_bytes"),
    ],
)
def test_a_container_or_service_has_less_memory_than_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str | None, file: str
) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "own"
    limit = root / file
    limit.parent.mkdir(parents=True)
    monkeypatch.setattr(memory, "_GROUPS", root)
    monkeypatch.setattr(memory, "_GROUPS_OF_PROCESS", own)
    if groups is not None:
        own.write_text(groups)
    machine = memory_bytes()
    limit.write_text("max\n")
    assert memory_bytes() == machine
    limit.write_text("104857600\n")
    assert memory_bytes() == 104_857_600


def test_the_setting_is_a_number_or_auto() -> None:
    assert settings(max_buffered_bytes=5000).buffered_bytes == 5000
    assert settings().buffered_bytes <= OPEN_BYTES
    for wrong in ("0", 1000, "much", -1, True, 1.5):
        with pytest.raises(ValueError, match="max_buffered_bytes"):
            settings(max_buffered_bytes=wrong)
