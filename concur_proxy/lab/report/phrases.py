"""Numbers and times of a report, as people write them."""

from datetime import UTC, datetime


def span(seconds: float) -> str:
    """A time span with two or three digits: 0.42 s, 4.2 s, 42 s, 14 min, 3.5 h."""
    if seconds < 0.995:
        return f"{seconds:.2f} s" if seconds else "0 s"
    for size, unit, most in ((1.0, "s", 120.0), (60.0, "min", 7200.0), (3600.0, "h", 172_800.0)):
        if seconds < most:
            value = seconds / size
            return f"{value:.2g} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{seconds / 86400:.2g} days" if seconds < 9.95 * 86400 else f"{seconds / 86400:.0f} days"


def moment(at: float, *, has_dates: bool, with_day: bool = True) -> str:
    """A moment in this machine's time zone, or since the recording began."""
    if not has_dates:
        return f"{int(at // 3600)} h {int(at % 3600 // 60):02d} min"
    return datetime.fromtimestamp(at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M" if with_day else "%m-%d %H:%M")


def whole(value: float) -> str:
    """A count: 12,345."""
    return f"{value:,.0f}"
