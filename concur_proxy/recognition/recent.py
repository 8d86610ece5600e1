"""A memory of the values that were used last."""

from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Values by key. At most `most` are kept, and at least the half of them that was used last."""

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: bytes) -> V | None:
        """The value of this key, or None."""
        value = self._young.get(key)
        if value is None and (value := self._old.pop(key, None)) is not None:
            self.put(key, value)
        return value

    def clear(self) -> None:
        """Forget all of them."""
        self._young.clear()
        self._old.clear()

    def put(self, key: bytes, value: V) -> None:
        """Remember a value."""
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young
        self._young[key] = value
