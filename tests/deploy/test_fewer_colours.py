"""A picture from Chromium is reduced and then shown by Chromium again."""

import base64

from tests.deploy.fewer_colours import with_fewer_colours
from tests.page.browser import Browser, chromium

PAGE = "data:text/html,<body style='margin:0;background:linear-gradient(90deg,red,blue)'><h1>text</h1>"
DECODED = """
const image = new Image(); image.src = arguments[0]; await image.decode();
const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext("2d");
context.drawImage(image, 0, 0);
return [image.width, image.height, ...context.getImageData(0, 0, image.width, image.height).data];
"""


async def pixels(browser: Browser, png: bytes) -> list[int]:
    values: list[int] = await browser.run(DECODED, f"data:image/png;base64,{base64.b64encode(png).decode()}")
    return values


async def test_it_is_the_same_picture_and_smaller() -> None:
    async with chromium() as browser:
        await browser.appear(width=160, height=60, scheme="light")
        await browser.open(PAGE)
        before = await browser.screenshot()
        after = with_fewer_colours(before, most=64)
        assert len(after) < len(before)
        first, second = await pixels(browser, before), await pixels(browser, after)
        assert first[:2] == second[:2] == [160, 60]
        assert first != second
        off = [abs(a - b) for a, b in zip(first, second, strict=True)]
        assert sum(off) / len(off) < 4, "of 255, on the average"
