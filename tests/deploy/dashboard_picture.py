"""Makes the picture of the dashboard: `python -m tests.deploy.dashboard_picture`. About 5 minutes.

It does not need Grafana: it draws the panels from the dashboard's JSON, with the data of a real Prometheus that scrapes
two gateways under load. An engine is restarted in the middle.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from tests.deploy import panel_drawing
from tests.deploy.dashboard import Intervals, Panel, annotations, panels
from tests.deploy.dashboard_load import SCRAPE_S, BusyFleet, busy_fleet
from tests.deploy.fewer_colours import with_fewer_colours
from tests.deploy.panel_drawing import COLOURS, Mark, Span, draw
from tests.deploy.prometheus_server import Series
from tests.page.browser import chromium

PICTURE = Path(__file__).parents[2] / "deploy" / "screenshots" / "dashboard.png"
SHOWN_S = 240.0
STEP_S = 2 * SCRAPE_S
INTERVALS = Intervals(step=f"{STEP_S}s", rate=f"{4 * SCRAPE_S}s")
"""As in Grafana: the interval of a rate is at least four scrapes."""
HEAD = 40
"""Height of the part above the panels."""

STYLE = """
body { margin: 0 8px; background: #f4f5f5; font: 11px "DejaVu Sans", sans-serif; color: #24292e }
header { height: 36px; display: flex; align-items: center } header b { font-size: 15px }
header span { margin-right: 18px }
main { position: relative } section, h2 { position: absolute; box-sizing: border-box; margin: 0; overflow: hidden }
section { background: #fff; border: 1px solid #e4e5e6 }
h2 { font-size: 13px; line-height: 24px } h3 { margin: 0; font-size: 11px; line-height: 20px; padding-left: 6px }
svg { display: block } text { font-size: 9px; fill: #5f6368 } .state { fill: #fff } .grid { stroke: #e8e9ea }
footer { display: flex; flex-wrap: wrap; font-size: 10px; line-height: 14px; padding-left: 6px }
footer span { margin-right: 9px; white-space: nowrap } .none { text-align: center; color: #888 }
i { display: inline-block; width: 10px; height: 3px; margin-right: 4px; vertical-align: middle }
.stat { display: flex; flex-direction: column; justify-content: space-between }
.stat p { margin: 4px 0 0; text-align: center; font-size: 24px } small { font-size: 11px }
"""


async def main() -> None:
    """Run the load, then draw the data that Prometheus collected."""
    async with busy_fleet() as fleet:
        await asyncio.sleep(SHOWN_S * 0.6)
        await asyncio.to_thread(fleet.engines[0].start)
        await asyncio.sleep(SHOWN_S * 0.4)
        page, height = await _page(fleet)
    with tempfile.TemporaryDirectory(prefix="concur-dashboard-") as folder:
        file = Path(folder) / "dashboard.html"
        file.write_text(page)
        async with chromium() as browser:
            await browser.appear(width=panel_drawing.WIDTH + 16, height=height, scheme="light")
            await browser.open(file.as_uri())
            PICTURE.write_bytes(with_fewer_colours(await browser.screenshot()))


async def _page(fleet: BusyFleet) -> tuple[str, int]:
    """The dashboard as HTML, and its height."""
    end = time.time()
    span = Span(start=end - SHOWN_S, end=end, step=STEP_S)
    marks, head = [], ["<b>concur-proxy</b>", "Engine: All", "Model: All"]
    for name, colour, query in annotations(INTERVALS):
        head.append(f'<i style="background:{COLOURS[colour]}"></i>{name}')
        for series in await fleet.prometheus.range(query, start=span.start, end=span.end, step=span.step):
            marks += [Mark(at=at, colour=COLOURS[colour]) for at, _ in series.points]
    drawn, bottom = [], 0.0
    for panel in panels(sorted(engine.url for engine in fleet.engines), INTERVALS):
        drawn.append(draw(panel, await _data(fleet, panel, span), span, marks))
        bottom = max(bottom, (panel.y + panel.height) * panel_drawing.UNIT)
    body = f"<header>{''.join(f'<span>{part}</span>' for part in head)}</header><main>{''.join(drawn)}</main>"
    page = f'<!doctype html><meta charset="utf-8"><title>concur-proxy</title><style>{STYLE}</style>{body}'
    return page, int(bottom) + HEAD


async def _data(fleet: BusyFleet, panel: Panel, span: Span) -> list[tuple[str, Series]]:
    return [
        (legend, series)
        for query, legend in panel.queries
        for series in await fleet.prometheus.range(query, start=span.start, end=span.end, step=span.step)
    ]


if __name__ == "__main__":
    asyncio.run(main())
