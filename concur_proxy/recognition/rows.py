"""A list from whose middle an element can be removed in constant time. Its elements are linked to each other."""

from collections.abc import Iterator
from typing import Generic, Self, TypeVar


class Link:
    """What can be in a `Row`. It is in one row at most."""

    __slots__ = ("after", "before")

    before: Self | None
    """The one before it, while it is in a row; None: it is the first."""
    after: Self | None
    """The one after it, while it is in a row; None: it is the last."""


L = TypeVar("L", bound=Link)


class Row(Generic[L]):
    """Elements in the order in which they were added. It takes less memory than a dictionary, and does not become slow
    when many of its first elements have been removed.
    """

    __slots__ = ("first", "last")

    def __init__(self) -> None:
        self.first: L | None = None
        self.last: L | None = None

    def __bool__(self) -> bool:
        return self.first is not None

    def __iter__(self) -> Iterator[L]:
        """The present element may be removed meanwhile."""
        element = self.first
        while element is not None:
            following = element.after
            yield element
            element = following

    @property
    def only(self) -> L | None:
        """The element, if there is exactly one."""
        return self.first if self.first is self.last else None

    def add(self, element: L) -> None:
        """Add an element at the end."""
        element.before, element.after = self.last, None
        if self.last is None:
            self.first = element
        else:
            self.last.after = element
        self.last = element

    def remove(self, element: L) -> None:
        """Remove an element of this row."""
        before, after = element.before, element.after
        if before is None:
            self.first = after
        else:
            before.after = after
        if after is None:
            self.last = before
        else:
            after.before = before
        element.before = element.after = None
