"""The live page of a gateway with 500 sessions of three tenants. Most sessions are families."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, Hold, answer, scripted_engine
from tests.page.browser import Browser
from tests.page.checks import CONTRAST, UNNAMED, WIDER
from tests.page.conftest import FASTER
from tests.page.families import WEIGHTS, client_keys_file, fleet

SESSIONS = 500
FAMILIES = 100
"""The first of these sessions send requests of all their agents, the others only those of the main agent."""
HOSTILE = '<img src=x onerror="document.title=1">'
ROWS = "document.querySelectorAll('#sessions tr:not(.member)').length"
COUNT = "document.querySelector('#session-count').textContent"

pytestmark = pytest.mark.asyncio(loop_scope="package")


class _HoldAllButOne(Hold):
    """Delays every answer but that to the main agent of the first family, which then waits for its sub-agents."""

    async def __call__(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.header("x-claude-code-session-id") == "agent-001" and not request.header("x-claude-code-agent-id"):
            await exchange.json(answer())
        else:
            await super().__call__(exchange)


@pytest_asyncio.fixture(name="gateway", scope="module", loop_scope="package")
async def _gateway() -> AsyncIterator[RunningGateway]:
    """Two sessions run. The sub-agents of the first one are at work. All others wait."""
    settings: dict[str, object] = {"law": "static", "law_options": {"window": 2}, "work_conserving": False}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    with client_keys_file() as keys:
        async with (
            scripted_engine(script=_HoldAllButOne()) as engine,
            running_gateway(engine.url, client_keys_file=keys, **settings) as gateway,
            httpx.AsyncClient(base_url=gateway.url, timeout=60, trust_env=False, limits=limits) as client,
        ):

            async def ask(name: str, headers: dict[str, str]) -> None:
                body = {"model": "m", "messages": [{"role": "user", "content": f"task of {name}: {headers}"}]}
                await client.post("/v1/chat/completions", json=body, headers=headers)

            single, first, *others = fleet(SESSIONS)
            main, *sub_agents = first.members()
            await ask(*main)
            sub_agents.append((HOSTILE, {**main[1], "x-claude-code-agent-id": HOSTILE}))
            asked = [asyncio.create_task(ask(*agent)) for agent in (*sub_agents, *single.members())]
            running = len(asked)
            await gateway.until(lambda: gateway.snapshot().in_flight == running)
            for family in others:
                agents = list(family.members())[: None if family.number < FAMILIES else 1]
                asked += [asyncio.create_task(ask(*agent)) for agent in agents]
            await gateway.until(lambda: gateway.snapshot().held == len(asked) - running)
            assert gateway.snapshot().waiting == len(others)
            yield gateway
            gateway.app.drain()
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)


@pytest_asyncio.fixture(name="page", scope="module", loop_scope="package")
async def _page(gateway: RunningGateway, browser: Browser) -> AsyncIterator[Browser]:
    """The page, shown by the browser."""
    await browser.open("about:blank")
    await browser.complaints()  # of the page of a gateway that has ended
    await browser.appear(width=1200, height=900, scheme="light")
    await browser.open(f"{gateway.url}/concur/")
    await browser.until(f"{ROWS} === 25")
    yield browser
    await browser.appear(width=1200, height=900, scheme="light")
    await browser.open("about:blank")
    assert await browser.complaints() == []


async def pick(browser: Browser, select: str, value: str) -> None:
    await browser.run(
        "const node = document.querySelector(arguments[0]);"
        "node.value = arguments[1]; node.dispatchEvent(new Event('change', { bubbles: true }));",
        select,
        value,
    )


async def test_states_are_in_plain_words_with_place_and_time(page: Browser) -> None:
    states = "[...document.querySelectorAll('#sessions tr:not(.member) .state')].map((cell) => cell.textContent)"
    first = await page.run(f"return {states}.slice(0, 3)")
    assert first[:2] == ["running", "running"]
    assert first[2].startswith("waiting (place 1, about ")
    assert await page.run("return document.querySelector('#figure-waiting strong').textContent") == "498 sessions"
    assert await page.run("return document.querySelector('#summary').textContent") == (
        "2 sessions admitted, 498 waiting; 1 engine healthy"
    )
    options = "[...document.querySelector('#situation').options].map((each) => each.text)"
    assert await page.run(f"return {options}") == [
        "all (500)", "running (2)", "between turns (0)", "waiting (498)", "idle (0)", "paused by an operator (0)"
    ]  # fmt: skip


async def test_families_are_folded_and_what_clients_send_stays_text(page: Browser) -> None:
    members = "[...document.querySelectorAll('#sessions .member .head')].map((cell) => cell.textContent)"
    states = "[...document.querySelectorAll('#sessions .member .state')].map((cell) => cell.textContent)"
    assert await page.run(f"return {members}") == []
    assert await page.run("return document.querySelectorAll('#sessions .fold:not([hidden])').length") > 15
    await page.press("button[aria-label='3 sub-agents of agent-001']", "\ue007")
    assert await page.run(f"return {members}") == ["main agent", "explore", "review", HOSTILE]
    assert await page.run(f"return {states}") == ["between turns, sub-agents at work", *["running"] * 3]
    assert await page.run("return document.querySelectorAll('main img').length") == 0
    fold = "document.querySelector('#sessions .fold[aria-expanded=true]').textContent"
    assert await page.run(f"return {fold}") == "▾ 3 sub-agents"
    await page.press("button[aria-label='3 sub-agents of agent-001']", "\ue007")
    assert await page.run(f"return {members}") == []


async def test_who_waits_is_one_press_away(page: Browser) -> None:
    await page.press("#who-waits", "\ue007")
    await page.until(f"{COUNT} === '(498 of 500)'")
    assert await page.run("return document.activeElement.id") == "situation"
    states = "[...document.querySelectorAll('#sessions tr:not(.member) .state')]"
    assert await page.run(f"return {states}.every((cell) => cell.textContent.startsWith('waiting (place '))")
    await pick(page, "#situation", "")
    await page.until(f"{COUNT} === '(500)'")


async def test_weights_are_shown_with_the_fair_share(page: Browser) -> None:
    cells = "[...document.querySelectorAll('#tenants tr')].map((row) => [row.cells[0], row.cells[3]])"
    shown = await page.run(f"return {cells}.map((pair) => pair.map((cell) => cell.textContent))")
    assert sorted(shown) == [["coding", "2 (33 %)"], ["evaluation", "1 (17 %)"], ["research", "3 (50 %)"]]
    assert set(WEIGHTS) == {"coding", "evaluation", "research"}


async def test_pages_search_and_filters(page: Browser) -> None:
    await page.press("#later", "\ue007")
    await page.until("document.querySelector('#page').textContent === 'Page 2 of 20'")
    assert await page.run("return document.activeElement.id") == "later"
    await page.press("#search", "agent-01")
    await page.until(f"{COUNT} === '(10 of 500)' && {ROWS} === 10")
    await pick(page, "#situation", "running")
    await page.until("!document.querySelector('#no-sessions').hidden")
    await page.press("#search", "\ue003" * 8)
    await page.until(f"{COUNT} === '(2 of 500)'")
    await pick(page, "#situation", "")
    await pick(page, "#tenant", '"evaluation"')
    await page.until(f"{COUNT} === '(166 of 500)' && document.querySelector('#page').textContent === 'Page 1 of 7'")
    await pick(page, "#tenant", "")
    await page.until(f"{COUNT} === '(500)'")


async def test_focus_and_menu_outlive_the_polls(page: Browser) -> None:
    focused = "document.activeElement.getAttribute('aria-label')"
    await page.press("#sessions tr:nth-child(3) .menu-button", "\ue015")  # arrow down opens it
    await page.until("document.activeElement.textContent === 'Pause after this turn'")
    polls = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/state')).length"
    await page.run("performance.clearResourceTimings()")
    await page.until(f"{polls} > 1")
    assert await page.run("return document.activeElement.textContent") == "Pause after this turn"
    await page.press("#menu button:focus", "\ue015\ue00c")
    assert not await page.run("return document.querySelector('#menu').matches(':popover-open')")
    assert (await page.run(f"return {focused}")).startswith("Actions for session agent-")


async def test_a_hidden_page_asks_for_nothing(page: Browser) -> None:
    asked = "performance.getEntriesByType('resource').length"
    hide = "Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true });"
    show = "document.dispatchEvent(new Event('visibilitychange'));"
    await page.run(f"{hide} performance.clearResourceTimings(); {show}", True)  # noqa: FBT003 - JSON
    await asyncio.sleep(3 / FASTER)  # longer than the time between two polls
    assert await page.run(f"return {asked}") <= 3  # a round that had begun
    await page.run(f"performance.clearResourceTimings(); {hide} {show}", False)  # noqa: FBT003 - JSON
    await page.until(f"{asked} >= 3")


async def test_a_phone_needs_no_sideways_scrolling_and_a_few_screens(page: Browser) -> None:
    for width in (360, 375):
        for scheme in ("light", "dark"):
            await page.appear(width=width, height=740, scheme=scheme)
            await page.until(f"{ROWS} === 8")
            assert await page.run(WIDER) <= 0
            least, count = await page.run(CONTRAST)
            assert count > 80
            assert least >= 4.5, scheme
    assert await page.run("return document.documentElement.scrollHeight") < 3500
    assert await page.run(UNNAMED) == []
