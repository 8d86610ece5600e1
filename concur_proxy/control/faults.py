"""Everything that is wrong with one input, so that a person can correct all of it at once."""

from collections.abc import Sequence


class Faults(ValueError):  # noqa: N818 - says what was found
    """The input has one or more faults."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
        """One line for each fault."""


def problems_of(error: ValueError) -> tuple[str, ...]:
    """The faults of an error, one line each: one if it is not `Faults`."""
    return error.problems if isinstance(error, Faults) else (str(error),)
