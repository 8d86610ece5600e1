"""Takes the screenshots of the live page again: `python -m tests.page.screenshots`.

500 families of three tenants use two emulated engines for some minutes.
"""

import argparse
import asyncio
import base64
from pathlib import Path

from tests.page.browser import Browser, chromium
from tests.page.load import busy_fleet

FOLDER = Path(__file__).parents[2] / "deploy" / "screenshots"
PICTURES = (("light", 1200, 1500, "light"), ("dark", 1200, 900, "dark"), ("phone", 375, 1400, "light"))


FIVE_MINUTES = "#range input[value='300']"
UNFOLD = """
if (!document.querySelector("#sessions .member")) document.querySelector("#sessions .fold:not([hidden])")?.click();
"""
"""Shows the sub-agents of one family."""


async def main() -> None:
    """Take the screenshots after some time of load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=180.0, help="how long the load lasts before (default %(default)s)"
    )
    parser.add_argument("--families", type=int, default=500, help="how many families (default %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    parser.add_argument("--whole", action="store_true", help="take the whole page, and not only its upper part")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    async with busy_fleet(families=options.families, places=14) as gateway, chromium() as browser:
        await asyncio.sleep(options.seconds)
        for name, width, height, scheme in PICTURES:
            await browser.appear(width=width, height=height, scheme=scheme)
            await browser.open(f"{gateway.url}/concur/")
            await browser.click(FIVE_MINUTES)
            await asyncio.sleep(5)
            await browser.run(UNFOLD)
            await asyncio.sleep(1)
            shot = await (_whole(browser) if options.whole else browser.screenshot())
            (options.folder / f"{name}.png").write_bytes(shot)
        print("\n".join(await browser.complaints()) or "no message on the console")


async def _whole(browser: Browser) -> bytes:
    shot = await browser.devtools("Page.captureScreenshot", captureBeyondViewport=True)
    return base64.b64decode(shot["data"])


if __name__ == "__main__":
    asyncio.run(main())
