"""The live page in a real Chromium, served by a gateway under load."""

import asyncio

import pytest

from concur_proxy.admin import access
from concur_proxy.coordination.coordinator import Role
from concur_proxy.telemetry.recognition import FEWEST
from tests.coordination.redis_server import RedisServer
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import scripted_engine
from tests.page.browser import Browser
from tests.page.checks import CONTRAST, UNNAMED, WIDER
from tests.page.load import busy_gateway

KEY = "open sesame"

POINTS_S = 0.2
"""Time between two points of the history in these tests."""


pytestmark = pytest.mark.asyncio(loop_scope="package")


async def choose(browser: Browser, row: str, item: str) -> None:
    """Open the menu of a row with the keyboard, and choose an item that begins with this text."""
    await browser.until("!document.querySelector('dialog')")  # it closes after what it did is shown
    await browser.press(f"button[aria-label='Actions for {row}']", "\ue007")
    await browser.until("document.querySelector('#menu').matches(':popover-open')")
    items = "[...document.querySelectorAll('#menu button')]"
    at = await browser.run(f"return {items}.findIndex((each) => each.textContent.startsWith({item!r}))")
    assert at >= 0, item
    await browser.press("#menu button:focus", "\ue015" * at)
    await browser.press("#menu button:focus", "\ue007")


async def test_the_page_asks_for_a_key_only_where_one_is_needed(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "WRONG_KEY_DELAY_S", 0.0)  # so that the browser's complaint does not come later
    sessions = "document.querySelectorAll('#sessions tr').length"
    async with busy_gateway(agents=2, admin_key=KEY) as gateway:
        await browser.open(f"{gateway.url}/concur/")
        await browser.until("document.querySelector('#message').textContent.includes('admin_key')")
        await browser.until("document.querySelector('#key-form').checkVisibility()")
        await browser.press("#key", "wrong key\ue007")
        await browser.until("document.querySelector('#key').value === ''")
        assert await browser.run(f"return {sessions}") == 0
        assert all("401" in complaint for complaint in await browser.complaints())
        await browser.press("#key", f"{KEY}\ue007")  # only the keyboard is used
        await browser.until(f"{sessions} === 2")
        await browser.until("document.querySelector('#message').textContent === ''")
        assert not await browser.run("return document.querySelector('#key-form').checkVisibility()")
    async with busy_gateway(agents=2) as gateway:
        await browser.open("about:blank")
        await browser.complaints()
        await browser.open(f"{gateway.url}/concur/")
        await browser.until(f"{sessions} === 2")
        assert not await browser.run("return document.querySelector('#key-form').checkVisibility()")
        await browser.open("about:blank")
        assert await browser.complaints() == []


async def test_the_page_shows_the_effect_and_an_hour_of_history(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("admin.history", "admin.state", "server.app"):
        monkeypatch.setattr(f"concur_proxy.{module}.STEP_S", POINTS_S)
    async with busy_gateway() as gateway:
        await browser.open(f"{gateway.url}/concur/")
        await gateway.until(lambda: gateway.snapshot().answered_tokens > 2000)
        await browser.until("document.querySelectorAll('#sessions tr').length === 6")
        for figure in ("recomputed", "saved", "waiting"):
            await browser.until(f"parseFloat(document.querySelector('#figure-{figure} strong').textContent) >= 0")
        await browser.until("parseFloat(document.querySelector('#figure-saved strong').textContent) > 0")
        shown = await browser.run("return document.querySelector('#figure-unrecognised p.soft').textContent")
        assert shown == "Not known: fewer than 100 requests so far"
        await browser.click("#figure-recomputed .help")
        assert await browser.run("return document.querySelector('#how-recomputed').matches(':popover-open')")
        await browser.press("#figure-recomputed .help", "\ue00c")
        await browser.click("#range input[value='300']")
        for chart in ("prompt", "sessions", "usage"):
            await browser.until(f"document.querySelector('#chart-{chart} path.line-0').getAttribute('d').includes('L')")
            labels = await browser.run(f"return document.querySelectorAll('#chart-{chart} svg text').length")
            assert labels >= 4, "ticks of both axes"
        assert await browser.run("return document.querySelector('#chart-sessions .soft').textContent") == "now"
        await browser.press("#chart-sessions svg", "\ue012\ue012")  # two points back
        assert await browser.run("return document.querySelectorAll('#charts .cursor').length") == 4
        at = await browser.run("return document.querySelector('#chart-prompt .soft').textContent")
        assert at.count(":") == 2
        await browser.until(
            "document.querySelector('#decisions li').textContent.includes('Window unchanged (2 sessions): ')"
        )
        await browser.open("about:blank")
        assert await browser.complaints() == []


async def test_an_operator_steers_with_the_keyboard_alone(browser: Browser) -> None:
    async with busy_gateway() as gateway:
        await browser.open(f"{gateway.url}/concur/")
        url, engines = gateway.app.monitors[0].engine, "document.querySelector('#engines').textContent"
        await browser.until("document.querySelectorAll('#sessions tr').length === 6")
        session = next(gate.sessions.get("agent-1") for gate in gateway.app.coordinator.fleet.gates.values())
        assert session is not None
        await choose(browser, "session agent-1", "Pause")
        await gateway.until(lambda: session.stopped)
        await gateway.until(lambda: session.in_flight == 0)
        await browser.until("document.querySelector('#sessions').textContent.includes('paused by an operator')")
        await choose(browser, "session agent-1", "Resume")
        await gateway.until(lambda: not session.stopped)
        assert "agent-1" in await browser.run("return document.activeElement.getAttribute('aria-label')")

        await choose(browser, "session agent-2", "End")
        await browser.press("dialog button:focus", "\ue00c")  # Escape changes nothing
        await browser.until("!document.querySelector('dialog')")
        assert "agent-2" in await browser.run("return document.activeElement.getAttribute('aria-label')")
        await choose(browser, "session agent-2", "End")
        await browser.click("dialog button.danger")
        await browser.until("document.querySelector('#message').textContent.includes('agent-2')")

        await choose(browser, f"engine {url}", "Set window")
        await browser.press("dialog input", "\ue009a\ue000")
        await browser.press("dialog input", "4\ue007")
        await gateway.until(lambda: gateway.snapshot().window == 4)
        await browser.until(f"{engines}.includes('4 sessions, set manually')")
        await choose(browser, f"engine {url}", "Window back")
        await browser.click("dialog button.primary")
        await gateway.until(lambda: gateway.snapshot().window == 2)
        await choose(browser, f"engine {url}", "Change law")
        laws = await browser.run("return [...document.querySelector('dialog select').options].map((each) => each.text)")
        assert laws == ["aimd", "off", "static", "tokens", "vegas"]
        await browser.press("dialog input", "windo=3\ue007")
        await browser.until("document.querySelector('dialog .bad').textContent.startsWith('Not done: ')")
        await browser.press("dialog input", "\ue009a\ue000")
        await browser.press("dialog input", "window=3\ue007")
        await browser.until(f"{engines}.includes('static (window=3)')")
        await choose(browser, f"engine {url}", "Law back")
        await browser.click("dialog button.primary")
        await browser.until(f"{engines}.includes('static (window=2)')")

        other = "http://127.0.0.1:9"
        await browser.press("#add-engine", "\ue007")
        await browser.press("#engine-url", f"{other}\ue007")
        await browser.until(f"{engines}.includes('Cannot be reached')")
        summary = "document.querySelector('#summary').textContent"
        await browser.until(f"{summary}.endsWith('1 of 2 engines in trouble: 127.0.0.1:9')")
        await choose(browser, f"engine {other}", "Remove engine")
        await browser.click("dialog button.danger")
        await gateway.until(lambda: len(gateway.app.monitors) == 1)
        await browser.until("document.querySelectorAll('#engines tr').length === 1")
        await choose(browser, f"engine {url}", "Remove engine")
        await browser.click("dialog button.danger")
        await browser.until("document.querySelector('dialog .bad').textContent.includes('last engine')")
        complaints = await browser.complaints()
        assert all("409" in complaint or "400" in complaint for complaint in complaints), complaints
        for scheme in ("light", "dark"):
            await browser.appear(width=1200, height=800, scheme=scheme)
            least, count = await browser.run(CONTRAST)
            assert count > 40
            assert least >= 4.5, scheme
        assert await browser.run(UNNAMED) == []
        await browser.open("about:blank")


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
            ["<b>blue</b>", tokens, "50 %", "1 (50 %)", "1", "0"],
            ["red", tokens, "50 %", "1 (50 %)", "1", "0"],
        ]
        choices = "[...document.querySelector('#tenant').options].map((each) => each.text).sort()"
        assert await browser.run(f"return {choices}") == ["<b>blue</b>", "all", "red"]
        assert await browser.run("return document.querySelector('#to-tenants').checkVisibility()")
        assert int(tokens) > 0
        for scheme in ("light", "dark"):
            await browser.appear(width=375, height=800, scheme=scheme)
            least, _ = await browser.run(CONTRAST)
            assert least >= 4.5
            assert await browser.run(WIDER) <= 0
        await browser.open("about:blank")
        assert await browser.complaints() == []


async def test_a_banner_warns_while_most_requests_are_unrecognised(browser: Browser) -> None:
    banner = "document.querySelector('#warnings')"
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await browser.open(f"{gateway.url}/concur/")
        await browser.until("document.querySelectorAll('#engines tr').length === 1")
        assert await browser.run(f"return getComputedStyle({banner}).display") == "none"
        tasks = [[{"role": "user", "content": f"task {number}"}] for number in range(FEWEST)]
        await asyncio.gather(*(gateway.chat(messages=task) for task in tasks))
        await browser.until(f"{banner}.textContent.startsWith('Most requests name no session')")
        assert await browser.run(f"return {banner}.checkVisibility()")
        for scheme in ("light", "dark"):
            await browser.appear(width=375, height=800, scheme=scheme)
            least, _ = await browser.run(CONTRAST)
            assert least >= 4.5
            assert await browser.run(WIDER) <= 0
        await asyncio.gather(*(gateway.chat("a") for _ in range(FEWEST)))
        await browser.until(f"{banner}.hidden")
        await browser.open("about:blank")
        assert await browser.complaints() == []


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
            await choose(browser, "session agent-1", "Pause")
            await browser.until(
                "document.querySelector('#sessions').textContent.includes('will pause') || "
                "document.querySelector('#sessions').textContent.includes('paused by an operator')"
            )
            redis.kill()
            await browser.until(f"{summary}.includes('cannot reach Redis')")
            await browser.open("about:blank")
            await browser.complaints()
