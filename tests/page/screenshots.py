"""Takes the screenshots of the live page again: `python -m tests.page.screenshots`."""

import asyncio
from pathlib import Path

from tests.page.browser import chromium
from tests.page.load import busy_gateway

FOLDER = Path(__file__).parents[2] / "deploy" / "screenshots"
PICTURES = (("light", 900, 900, "light"), ("dark", 900, 400, "dark"), ("phone", 375, 500, "light"))


async def main() -> None:
    """Take the screenshots after 25 s of load."""
    FOLDER.mkdir(exist_ok=True)
    async with busy_gateway(agents=8, law="tokens", law_options={}) as gateway, chromium() as browser:
        await browser.open(f"{gateway.url}/concur/")
        await asyncio.sleep(25)
        for name, width, height, scheme in PICTURES:
            await browser.appear(width=width, height=height, scheme=scheme)
            await asyncio.sleep(1.5)
            if name == "phone":
                await browser.run("document.querySelector('#sessions').scrollIntoView()")
            (FOLDER / f"{name}.png").write_bytes(await browser.screenshot())


if __name__ == "__main__":
    asyncio.run(main())
