"""Compares the data-parallel ranks that a URL names with those whose series are in the server's metrics."""

from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.engines.exposition import Exposition


def exported_ranks(exposition: Exposition, label: str) -> list[int]:
    """The ranks that have series of their own."""
    found = {series.labels.get(label, "") for many in exposition.series.values() for series in many}
    return sorted(int(rank) for rank in found if rank.isdecimal())


def examine_ranks(url: str, named: int | None, exported: list[int]) -> Finding | None:
    """What is to be said of them; nothing where there is one cache and the URL names no rank. `named`: N of `#dp=N`."""

    def finding(severity: Severity, code: str, message: str, mend: str = "") -> Finding:
        return Finding(subject=url, severity=severity, code=code, message=message, mend=mend)

    has = exported or [0]  # a server of one rank may leave the label out
    name_all = f"name them all: {url}#dp={len(has)}" if has == list(range(len(has))) else ""
    if named is None:
        if len(has) == 1:
            return None
        message = f"has {len(has)} data-parallel ranks, each with its own cache, and sends a session to any of them"
        return finding(Severity.WARNING, "ranks_unnamed", message, name_all)
    missing = [str(rank) for rank in range(named) if rank not in has]
    if missing:
        message = f"has no metrics of rank {', '.join(missing)}, which #dp={named} names"
        mend = f"if it has no more ranks, name {url}#dp={len(has)}" if len(has) > 1 else f"leave #dp={named} out"
        return finding(Severity.WARNING, "ranks_missing", message, mend)
    if len(has) > named:
        message = f"has {len(has)} data-parallel ranks, and #dp={named} gives work to the first alone"
        return finding(Severity.WARNING, "ranks_idle", message, name_all)
    return finding(Severity.OK, "ranks", f"has metrics of each of its {named} data-parallel ranks")
