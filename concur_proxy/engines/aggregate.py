"""One number from the several series in which ranks and workers report the same signal."""

from collections.abc import Iterable, Sequence

from concur_proxy.engines.exposition import Exposition, Series

Rank = tuple[str, ...]
"""The values of the rank labels."""


class RankReader:
    """Reads signals of an engine with several ranks behind one port.

    Series that differ in a label of `rank_labels` come from different ranks, each with a cache of its own: they are
    added or compared. Series that differ in any other label (a tensor-parallel worker, a process id, a served model
    name) tell the same thing twice: the largest counts.
    """

    def __init__(self, exposition: Exposition, rank_labels: Sequence[str]) -> None:
        self._series = exposition.series
        self._rank_labels = rank_labels

    def each(self, names: Sequence[str], **labels: str) -> dict[Rank, float]:
        """The value of every rank in the first of `names` that is exported; empty when none is."""
        series = [
            one for one in self.first(names) if all(one.labels.get(label) == value for label, value in labels.items())
        ]
        return {rank: max(one.value for one in same) for rank, same in self.by_rank(series).items()}

    def total(self, names: Sequence[str], **labels: str) -> float | None:
        """The sum over ranks; None when there is none."""
        values = self.each(names, **labels).values()
        return sum(values) if values else None

    def highest(self, names: Sequence[str]) -> float | None:
        """The largest value of any rank; None when there is none."""
        return max(self.each(names).values(), default=None)

    def whole(self, names: Sequence[str]) -> int | None:
        """The sum over ranks as a whole number."""
        value = self.total(names)
        return None if value is None else round(value)

    def first(self, names: Sequence[str]) -> list[Series]:
        """The series of the first of `names` that is exported."""
        return next((self._series[name] for name in names if name in self._series), [])

    def by_rank(self, series: Iterable[Series]) -> dict[Rank, list[Series]]:
        """The series of each rank."""
        ranks: dict[Rank, list[Series]] = {}
        for one in series:
            ranks.setdefault(tuple(one.labels.get(label, "") for label in self._rank_labels), []).append(one)
        return ranks
