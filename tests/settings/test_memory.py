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
        (0.5, 1, False, OPEN_BYTES),
        (0.25, 1, False, GB // 8),
        (0.25, 1, True, GB // 8),
        (0.5, 1, True, OPEN_BYTES),
    ],
)
def test_only_clients_with_keys_may_fill_much_memory(
    gigabytes: float, workers: int, *, has_keys: bool, expected: int
) -> None:
    assert default_buffered_bytes(round(gigabytes * GB), workers=workers, has_keys=has_keys) == expected


def test_a_container_has_less_memory_than_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, limit = memory_bytes(), tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", (limit, tmp_path / "absent"))
    assert memory_bytes() >= machine
    limit.write_text("max\n")
    assert memory_bytes() >= machine
    limit.write_text("104857600\n")
    assert memory_bytes() == 104_857_600


def test_the_setting_is_a_number_or_auto() -> None:
    assert settings(max_buffered_bytes=5000).buffered_bytes == 5000
    assert settings().buffered_bytes <= OPEN_BYTES
    for wrong in ("0", 1000, "much", -1, True, 1.5):
        with pytest.raises(ValueError, match="max_buffered_bytes"):
            settings(max_buffered_bytes=wrong)
