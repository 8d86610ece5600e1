"""Bar charts of a report, as SVG inside HTML. Labels are HTML, so that they stay readable on a narrow screen."""

from collections.abc import Callable, Sequence
from html import escape

from concur_proxy.lab.report.measured import Measured, Totals
from concur_proxy.lab.report.phrases import moment

Value = Callable[[Totals], float | None]
Shown = Callable[[float], str]

HEIGHT = 100
SLOT = 10


def over_time(measured: Measured, title: str, value: Value, shown: Shown) -> str:
    """A bar for each span of the measured time. Spans without a value have no bar."""
    points = [(at, found) for at, totals in measured.over_time if (found := value(totals)) is not None]
    most = max((found for _, found in points), default=0.0)
    caption = f"<figcaption>{escape(title)}</figcaption>"
    if not most:
        text = "no data" if not points else f"{shown(0.0)} all the time"
        return f"<figure>{caption}<p class=soft>{escape(text)}</p></figure>"
    first = measured.over_time[0][0]
    slots = round((measured.over_time[-1][0] - first) / measured.width_s) + 1
    bars = "".join(
        _bar(round((at - first) / measured.width_s), found / most, f"{_when(measured, at)}: {shown(found)}")
        for at, found in points
    )
    times = [_when(measured, first + slot * measured.width_s) for slot in sorted({0, slots // 2, slots - 1})]
    return (
        f"<figure>{caption}<div class=plot><div class=scale><span>{escape(shown(most))}</span>"
        f"<span>{escape(shown(most / 2))}</span><span>0</span></div>"
        f'<svg viewBox="0 0 {slots * SLOT} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(title)}, at most {escape(shown(most))}">{bars}</svg>'
        f"</div><div class=times>{''.join(f'<span>{escape(time)}</span>' for time in times)}</div></figure>"
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


def _bar(slot: int, share: float, text: str) -> str:
    height = max(0.5, share * HEIGHT) if share else 0.0
    return (
        f'<rect x="{slot * SLOT + 1}" y="{HEIGHT - height:.1f}" width="{SLOT - 2}" height="{height:.1f}">'
        f"<title>{escape(text)}</title></rect>"
    )


def _when(measured: Measured, at: float) -> str:
    return moment(at, has_dates=measured.has_dates, with_day=False)
