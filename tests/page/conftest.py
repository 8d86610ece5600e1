"""One browser for all tests of the page in a process."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.page.browser import Browser, chromium

FASTER = 8
"""How much shorter the page waits between two polls, so that a test need not wait for 2 s after each step."""
_TIMERS = f"""
const wait = window.setTimeout;
window.setTimeout = (act, milliseconds, ...rest) => wait(act, milliseconds / {FASTER}, ...rest);
"""


@pytest_asyncio.fixture(name="browser", scope="package", loop_scope="package")
async def _browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        await browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=_TIMERS)
        yield browser
