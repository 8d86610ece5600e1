"""The live page of a gateway with 500 sessions in families of three tenants."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Hold, scripted_engine
from tests.page.browser import Browser, chromium
from tests.page.checks import CONTRAST, UNNAMED, WIDER

FAMILIES = 500
TENANTS = ("research", "coding", "<i>evaluation</i>")
ROWS = "document.querySelectorAll('#sessions tr:not(.member)').length"
COUNT = "document.querySelector('#session-count').textContent"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(name="gateway", scope="module", loop_scope="module")
async def _gateway() -> AsyncIterator[RunningGateway]:
    """Two sessions run, and one of them has sub-agents. All others wait."""
    settings: dict[str, object] = {"law": "static", "law_options": {"window": 2}, "work_conserving": False}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with (
        scripted_engine(script=Hold()) as engine,
        running_gateway(engine.url, tenant_header="x-team", **settings) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60, trust_env=False, limits=limits) as client,
    ):

        async def ask(number: int, **more: str) -> None:
            headers = {"x-team": TENANTS[number % 3], "x-claude-code-session-id": f"agent-{number:03}", **more}
            body = {"model": "m", "messages": [{"role": "user", "content": f"task {number} {more}"}]}
            await client.post("/v1/chat/completions", json=body, headers=headers)

        asked = [asyncio.create_task(ask(0))]
        await gateway.until(lambda: gateway.snapshot().in_flight == 1)
        sub_agents = ("explore", "review", '<img src=x onerror="document.title=1">')
        asked += [asyncio.create_task(ask(0, **{"x-claude-code-agent-id": each})) for each in sub_agents]
        await gateway.until(lambda: gateway.snapshot().in_flight == 4)
        asked += [asyncio.create_task(ask(number)) for number in range(1, FAMILIES)]
        await gateway.until(lambda: gateway.snapshot().waiting == FAMILIES - 2)
        yield gateway
        gateway.app.drain()
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


@pytest_asyncio.fixture(name="browser", scope="module", loop_scope="module")
async def _browser(gateway: RunningGateway) -> AsyncIterator[Browser]:
    async with chromium() as browser:
        await browser.open(f"{gateway.url}/concur/")
        await browser.until(f"{ROWS} === 25")
        yield browser
        await browser.open("about:blank")
        assert await browser.complaints() == []


async def pick(browser: Browser, select: str, value: str) -> None:
    await browser.run(
        "const node = document.querySelector(arguments[0]);"
        "node.value = arguments[1]; node.dispatchEvent(new Event('change', { bubbles: true }));",
        select,
        value,
    )


async def test_states_are_in_plain_words_with_place_and_time(browser: Browser) -> None:
    states = "[...document.querySelectorAll('#sessions tr:not(.member) .state')].map((cell) => cell.textContent)"
    first = await browser.run(f"return {states}.slice(0, 3)")
    assert first[:2] == ["running", "running"]
    assert first[2].startswith("waiting (place 1, about ")
    assert await browser.run("return document.querySelector('#figure-waiting strong').textContent") == "498 sessions"
    options = "[...document.querySelector('#situation').options].map((each) => each.text)"
    assert await browser.run(f"return {options}") == [
        "all (500)", "running (2)", "between turns (0)", "waiting (498)", "idle (0)", "paused by an operator (0)"
    ]  # fmt: skip


async def test_a_family_is_folded_and_what_clients_send_stays_text(browser: Browser) -> None:
    members = "[...document.querySelectorAll('#sessions .member .head')].map((cell) => cell.textContent)"
    assert await browser.run(f"return {members}") == []
    await browser.press("#sessions .fold:not([hidden])", "\ue007")
    assert await browser.run(f"return {members}") == [
        "main agent", "explore", "review", '<img src=x onerror="document.title=1">'
    ]  # fmt: skip
    assert await browser.run("return document.querySelectorAll('main img, main i:not(.key)').length") == 0
    assert await browser.run("return document.querySelector('#sessions .fold').textContent") == "▾ 3 sub-agents"
    await browser.press("#sessions .fold:not([hidden])", "\ue007")
    assert await browser.run(f"return {members}") == []


async def test_pages_search_and_filters(browser: Browser) -> None:
    await browser.press("#later", "\ue007")
    await browser.until("document.querySelector('#page').textContent === 'Page 2 of 20'")
    assert await browser.run("return document.activeElement.id") == "later"
    await browser.press("#search", "agent-01")
    await browser.until(f"{COUNT} === '(10 of 500)' && {ROWS} === 10")
    await pick(browser, "#situation", "running")
    await browser.until("!document.querySelector('#no-sessions').hidden")
    await browser.press("#search", "\ue003" * 8)
    await browser.until(f"{COUNT} === '(2 of 500)'")
    await pick(browser, "#situation", "")
    await pick(browser, "#tenant", '"<i>evaluation</i>"')
    await browser.until(f"{COUNT} === '(166 of 500)' && document.querySelector('#page').textContent === 'Page 1 of 7'")
    await pick(browser, "#tenant", "")
    await browser.until(f"{COUNT} === '(500)'")


async def test_focus_and_menu_outlive_the_polls(browser: Browser) -> None:
    focused = "document.activeElement.getAttribute('aria-label')"
    await browser.press("#sessions tr:nth-child(3) .menu-button", "\ue015")  # arrow down opens it
    await browser.until("document.activeElement.textContent === 'Pause after this turn'")
    polls = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/state')).length"
    before = await browser.run(f"return {polls}")
    await browser.until(f"{polls} > {before}")
    assert await browser.run("return document.activeElement.textContent") == "Pause after this turn"
    await browser.press("#menu button:focus", "\ue015\ue00c")
    assert not await browser.run("return document.querySelector('#menu').matches(':popover-open')")
    assert (await browser.run(f"return {focused}")).startswith("Actions for session agent-")


async def test_a_hidden_page_asks_for_nothing(browser: Browser) -> None:
    asked = "performance.getEntriesByType('resource').length"
    hide = "Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true });"
    show = "document.dispatchEvent(new Event('visibilitychange'));"
    await browser.run(f"{hide} performance.clearResourceTimings(); {show}", True)  # noqa: FBT003 - JSON
    await asyncio.sleep(2.5)  # longer than the time between two polls
    assert await browser.run(f"return {asked}") <= 3  # a round that had begun
    await browser.run(f"performance.clearResourceTimings(); {hide} {show}", False)  # noqa: FBT003 - JSON
    await browser.until(f"{asked} >= 3")


async def test_a_phone_needs_no_sideways_scrolling_and_a_few_screens(browser: Browser) -> None:
    for width in (360, 375):
        for scheme in ("light", "dark"):
            await browser.appear(width=width, height=740, scheme=scheme)
            await browser.until(f"{ROWS} === 12")
            assert await browser.run(WIDER) <= 0
            least, count = await browser.run(CONTRAST)
            assert count > 80
            assert least >= 4.5, scheme
    assert await browser.run("return document.documentElement.scrollHeight") < 4000
    assert await browser.run(UNNAMED) == []
