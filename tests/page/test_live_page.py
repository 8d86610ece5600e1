"""The live page in a real Chromium, served by a gateway under load."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from concur_proxy.admin import access
from concur_proxy.coordination.coordinator import Role
from concur_proxy.telemetry.recognition import FEWEST
from tests.coordination.redis_server import RedisServer
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import scripted_engine
from tests.page.browser import Browser, chromium
from tests.page.load import busy_gateway

KEY = "open sesame"

CONTRAST = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = (rgb) => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
const read = (text) => text.match(/[\\d.]+/g).map(Number);
const ground = (node) => {
  for (; node; node = node.parentElement) {
    const rgb = read(getComputedStyle(node).backgroundColor);
    if (rgb.length === 3 || rgb[3] > 0) return rgb;
  }
  return [255, 255, 255];
};
let least = 99, count = 0;
for (const node of document.querySelectorAll("body *")) {
  if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
  const [one, two] = [light(read(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
  least = Math.min(least, (one + 0.05) / (two + 0.05));
  count += 1;
}
return [least, count];
"""
UNNAMED = """
return [...document.querySelectorAll("button, input, select, svg")].filter((node) =>
  !(node.getAttribute("aria-label") || (node.labels && node.labels.length) || node.textContent.trim())).length;
"""


@pytest_asyncio.fixture(name="browser", scope="module", loop_scope="module")
async def _browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.mark.asyncio(loop_scope="module")
async def test_the_page_shows_and_steers_a_gateway_under_load(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "WRONG_KEY_DELAY_S", 0.0)  # so that the browser's complaint does not come later
    async with busy_gateway(admin_key=KEY) as gateway:
        await browser.open(f"{gateway.url}/concur/")
        await browser.until("document.querySelector('#message').textContent.includes('admin_key')")
        assert await browser.run("return document.querySelectorAll('#sessions tr').length") == 0
        await browser.press("#key", "wrong key\ue007")
        await browser.until("document.querySelector('#key').value === ''")
        assert await browser.run("return document.querySelectorAll('#sessions tr').length") == 0
        assert all("401" in complaint for complaint in await browser.complaints())

        await browser.press("#key", f"{KEY}\ue007")  # only the keyboard is used
        await browser.until("document.querySelectorAll('#sessions tr').length === 6")
        await browser.until("document.querySelector('#message').textContent === ''")
        line = "document.querySelector('#chart-rate .first').getAttribute('points')"
        await browser.until(f"{line}.split(' ').length > 2")
        before = await browser.run(f"return {line}")
        await browser.until(f"{line} !== {before!r}")
        for chart in ("window", "usage", "hits", "rate"):
            shown = f"document.querySelector('#chart-{chart} strong').textContent"
            await browser.until(f"Number({shown}[0]) > 0")
        await browser.until(
            "document.querySelector('#decisions li').textContent.includes('window unchanged (2 sessions): ')"
        )

        await browser.press("button[aria-label='Pause session agent-1']", "\ue007")
        await browser.until("document.querySelector(\"[aria-label='Resume session agent-1']\")")
        session = next(gate.sessions.get("agent-1") for gate in gateway.app.coordinator.fleet.gates.values())
        assert session is not None
        assert session.stopped
        await gateway.until(lambda: session.in_flight == 0)
        await browser.click("button[aria-label='Resume session agent-1']")
        await gateway.until(lambda: not session.stopped)

        url = gateway.app.monitors[0].engine
        await browser.press(f"[aria-label='Window of {url}']", "4\ue007")
        await gateway.until(lambda: gateway.snapshot().window == 4)
        await browser.press(f"[aria-label='Unit of the window of {url}']", "tokens")
        await browser.press(f"[aria-label='Window of {url}']", "000\ue007")
        await gateway.until(lambda: gateway.snapshot().budget_tokens == 4000)
        shown = "Window: 4k of 8k cache tokens (set manually)"
        await browser.until(f"document.querySelector('#engines').textContent.includes('{shown}')")
        await browser.click(f"button[aria-label='Back to automatic: window of {url}']")
        await gateway.until(lambda: gateway.snapshot().window == 2)
        law = f"[aria-label='Law of {url}']"
        laws = await browser.run(f"return [...document.querySelector(`{law}`).options].map((each) => each.text)")
        assert laws == ["aimd", "off", "static", "tokens", "vegas"]
        await browser.press(f"[aria-label='Options of the law of {url}']", "window=3\ue007")
        await gateway.until(lambda: gateway.snapshot().window == 3)
        await browser.until("document.querySelector('#engines').textContent.includes('static (window=3)')")
        await browser.run(f"document.querySelector(`[aria-label='Options of the law of {url}']`).value = ''")
        await browser.press(law, "off")
        await browser.press(f"[aria-label='Options of the law of {url}']", "\ue007")
        await gateway.until(lambda: gateway.snapshot().waiting == 0)
        await browser.until("document.querySelector('#engines').textContent.includes('observe only')")
        await browser.click(f"button[aria-label='Back to settings: law of {url}']")
        await browser.until("document.querySelector('#engines').textContent.includes('static (window=2)')")

        other = "http://127.0.0.1:9"
        await browser.press("#engine", f"{other}\ue007")
        await browser.until(f"document.querySelector(\"[aria-label='Remove engine {other}']\")")
        await browser.click(f"button[aria-label='Remove engine {other}']")
        await gateway.until(lambda: len(gateway.app.monitors) == 1)
        await browser.until("document.querySelectorAll('#engines article').length === 1")
        await browser.click(f"button[aria-label='Remove engine {url}']")
        await browser.until("document.querySelector('#message').textContent.includes('last engine')")
        complaints = await browser.complaints()
        assert all("409" in complaint for complaint in complaints), complaints
        await browser.click("button[aria-label='End session agent-2']")
        await browser.until("document.querySelector('#message').textContent.includes('agent-2')")
        assert await browser.complaints() == []

        for scheme in ("light", "dark"):
            await browser.appear(width=1200, height=800, scheme=scheme)
            least, count = await browser.run(CONTRAST)
            assert count > 40
            assert least >= 4.5, scheme
        assert await browser.run(UNNAMED) == 0
        await browser.appear(width=375, height=800, scheme="light")
        assert await browser.run("return document.documentElement.scrollWidth") <= 375
        await browser.open("about:blank")


@pytest.mark.asyncio(loop_scope="module")
async def test_without_a_key_the_own_machine_needs_none(browser: Browser) -> None:
    async with busy_gateway(agents=2) as gateway:
        await browser.open("about:blank")
        await browser.complaints()
        await browser.open(f"{gateway.url}/concur/")
        await browser.until("document.querySelectorAll('#sessions tr').length === 2")
        assert await browser.complaints() == []


@pytest.mark.asyncio(loop_scope="module")
async def test_several_tenants_are_shown_with_their_shares(browser: Browser) -> None:
    section = "document.querySelector('#tenants-section')"
    await browser.open("about:blank")
    await browser.complaints()  # of the page of a gateway that has ended
    async with scripted_engine() as engine, running_gateway(engine.url, tenant_header="x-team") as gateway:
        await browser.open(f"{gateway.url}/concur/")
        gateway.client.headers["x-team"] = "red"
        await gateway.chat("agent-1")
        await browser.until("document.querySelectorAll('#sessions tr').length === 1")
        assert not await browser.run(f"return {section}.checkVisibility()")
        gateway.client.headers["x-team"] = "<b>blue</b>"
        await gateway.chat("agent-1")
        await browser.until("document.querySelectorAll('#tenants tr').length === 2")
        cells = "[...document.querySelectorAll('#tenants tr')].map((row) => [...row.cells].map((c) => c.textContent))"
        tokens = await browser.run(f"return {cells}[0][1]")
        assert await browser.run(f"return {cells}") == [
            ["<b>blue</b>", tokens, "50 %", "1", "1", "0"],
            ["red", tokens, "50 %", "1", "1", "0"],
        ]
        assert int(tokens) > 0
        for scheme in ("light", "dark"):
            await browser.appear(width=375, height=800, scheme=scheme)
            least, _ = await browser.run(CONTRAST)
            assert least >= 4.5
            assert await browser.run("return document.documentElement.scrollWidth") <= 375
        await browser.open("about:blank")
        assert await browser.complaints() == []


@pytest.mark.asyncio(loop_scope="module")
async def test_a_banner_warns_while_most_requests_are_unrecognised(browser: Browser) -> None:
    banner = "document.querySelector('#warnings')"
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await browser.open(f"{gateway.url}/concur/")
        await browser.until("document.querySelectorAll('#engines article').length === 1")
        assert await browser.run(f"return getComputedStyle({banner}).display") == "none"
        for number in range(FEWEST):
            await gateway.chat(messages=[{"role": "user", "content": f"task {number}"}])
        await browser.until(f"{banner}.textContent.startsWith('Most requests name no session')")
        assert await browser.run(f"return {banner}.checkVisibility()")
        for scheme in ("light", "dark"):
            await browser.appear(width=375, height=800, scheme=scheme)
            least, _ = await browser.run(CONTRAST)
            assert least >= 4.5
            assert await browser.run("return document.documentElement.scrollWidth") <= 375
        for _ in range(FEWEST):
            await gateway.chat("a")
        await browser.until(f"{banner}.hidden")
        await browser.open("about:blank")
        assert await browser.complaints() == []


@pytest.mark.asyncio(loop_scope="module")
async def test_a_follower_shows_and_steers_the_whole_fleet_and_alone_it_says_so(browser: Browser) -> None:
    summary = "document.querySelector('#summary').textContent"
    with RedisServer() as redis:
        shared: dict[str, object] = {"store": "redis", "redis_url": redis.url}
        async with (
            busy_gateway(agents=2, **shared) as leader,
            running_gateway(leader.app.monitors[0].engine, **shared) as follower,
        ):
            await follower.until(
                lambda: (
                    follower.app.coordinator.status.role is Role.FOLLOWING
                    and follower.app.coordinator.status.replicas == 2
                )
            )
            await browser.open(f"{follower.url}/concur/")
            await browser.until("document.querySelectorAll('#sessions tr').length === 2")
            await browser.until(f"{summary}.endsWith('2 gateways, led by {follower.app.coordinator.status.leader}')")
            await browser.click("button[aria-label='Pause session agent-1']")
            await browser.until("document.querySelector(\"[aria-label='Resume session agent-1']\")")
            redis.kill()
            await browser.until(f"{summary}.includes('cannot reach Redis')")
            await browser.open("about:blank")
            await browser.complaints()
