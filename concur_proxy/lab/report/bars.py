"""Bar charts of a report."""

from collections.abc import Callable, Sequence
from html import escape

from concur_proxy.lab.pages.plot import Plot, bars, figure, without_data
from concur_proxy.lab.report.measured import Measured, Totals
from concur_proxy.lab.report.phrases import moment

Value = Callable[[Totals], float | None]
Shown = Callable[[float], str]


def over_time(measured: Measured, title: str, value: Value, shown: Shown) -> str:
    """A bar for each span of the measured time. Spans without a value have no bar."""
    points = [(at, found) for at, totals in measured.over_time if (found := value(totals)) is not None]
    most = max((found for _, found in points), default=0.0)
    if not most:
        return without_data(title, "no data" if not points else f"{shown(0.0)} all the time")
    first = measured.over_time[0][0]
    slots = round((measured.over_time[-1][0] - first) / measured.width_s) + 1
    marks = (
        (round((at - first) / measured.width_s), found / most, f"{_when(measured, at)}: {shown(found)}")
        for at, found in points
    )
    return figure(
        Plot(
            title=title,
            scale=[shown(most), shown(most / 2), "0"],
            times=[_when(measured, first + slot * measured.width_s) for slot in sorted({0, slots // 2, slots - 1})],
            marks=bars(marks, slots=slots),
            label=f"{title}, at most {shown(most)}",
        )
    )


def side_by_side(rows: Sequence[tuple[str, float, float, Shown]]) -> str:
    """For each row, its name and the amounts without control and with it: two bars."""
    parts = []
    for name, without, controlled, shown in rows:
        most = max(without, controlled, 1e-9)
        parts.append(f"<p>{escape(name)}</p>")
        for kind, value in (("without", without), ("with", controlled)):
            parts.append(
                f'<div class="pair {kind}"><span>{kind}</span><i><b style="width:{100 * value / most:.1f}%"></b></i>'
                f"<span>{escape(shown(value))}</span></div>"
            )
    return f"<figure><figcaption>Without and with control</figcaption>{''.join(parts)}</figure>"


def _when(measured: Measured, at: float) -> str:
    return moment(at, has_dates=measured.has_dates, with_day=False)
