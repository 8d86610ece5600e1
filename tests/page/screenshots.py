"""Makes the pictures of the live page anew: `python -m tests.page.screenshots`."""

import asyncio
from pathlib import Path

from tests.page.browser import chromium
from tests.page.load import busy_gateway

FOLDER = Path(__file__).parents[2] / "deploy" / "screenshots"
PICTURES = (("light", 1000, 760, "light"), ("dark", 1000, 760, "dark"), ("phone", 375, 760, "light"))


async def main() -> None:
    """Take them after half a minute of load."""
    FOLDER.mkdir(exist_ok=True)
    async with busy_gateway(agents=8) as gateway, chromium() as browser:
        await browser.open(f"{gateway.url}/concur/")
        await asyncio.sleep(30)
        for name, width, height, scheme in PICTURES:
            await browser.appear(width=width, height=height, scheme=scheme)
            await asyncio.sleep(1.5)
            (FOLDER / f"{name}.png").write_bytes(await browser.screenshot())


if __name__ == "__main__":
    asyncio.run(main())
