"""Compares the data-parallel ranks that a URL names with those that the server's metrics show."""

from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.engines.exposition import Exposition


def exported_ranks(exposition: Exposition, label: str | None) -> list[int]:
    """The ranks with series of their own. `label` tells them apart; None: this kind of server has no ranks."""
    if label is None:
        return []
    found = {series.labels.get(label, "") for many in exposition.series.values() for series in many}
    return sorted(int(rank) for rank in found if rank.isdecimal())


def examine_ranks(url: str, named: int | None, exported: list[int]) -> Finding | None:
    """Compares N of the URL's `#dp=N`, which is `named`, with the exported ranks.

    None if the URL names no ranks and the server has one cache: there is nothing to say.
    """

    def finding(severity: Severity, code: str, message: str, fix: str = "") -> Finding:
        return Finding(subject=url, severity=severity, code=code, message=message, fix=fix)

    ranks = exported or [0]  # a server with one rank may leave the label out
    name_all = f"name them all: {url}#dp={len(ranks)}" if ranks == list(range(len(ranks))) else ""
    if named is None:
        if len(ranks) == 1:
            return None
        message = f"has {len(ranks)} data-parallel ranks, each with its own cache, and sends a session to any of them"
        return finding(Severity.WARNING, "ranks_unnamed", message, name_all)
    missing = [str(rank) for rank in range(named) if rank not in ranks]
    if missing:
        message = f"has no metrics of rank {', '.join(missing)}, which #dp={named} names"
        only = f"if it has no other ranks, name {url}#dp={len(ranks)}"
        return finding(Severity.WARNING, "ranks_missing", message, only if len(ranks) > 1 else f"leave #dp={named} out")
    if len(ranks) > named:
        message = f"has {len(ranks)} data-parallel ranks, but #dp={named} sends requests only to the first {named}"
        return finding(Severity.WARNING, "ranks_idle", message, name_all)
    return finding(Severity.OK, "ranks", f"has metrics of each of its {named} data-parallel ranks")
