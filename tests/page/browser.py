"""Drives a real headless Chromium with WebDriver (W3C) and chromedriver."""

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Browser:
    """One browser window."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def command(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Send a WebDriver command and return its value."""
        answer = await self._client.request(method, path, json=(body or {}) if method == "POST" else None)
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value

    async def open(self, url: str) -> None:
        await self.command("POST", "url", {"url": url})

    async def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON
        """Run a script and return its result."""
        return await self.command("POST", "execute/sync", {"script": script, "args": arguments})

    async def until(self, expression: str) -> None:
        """Wait until this expression is true on the page; fails after 30 s."""
        async with asyncio.timeout(30):
            while not await self.run(f"return Boolean({expression})"):
                await asyncio.sleep(0.05)

    async def press(self, selector: str, keys: str) -> None:
        """Type into an element."""
        found = await self.command("POST", "element", {"using": "css selector", "value": selector})
        await self.command("POST", f"element/{found[ELEMENT]}/value", {"text": keys})

    async def click(self, selector: str) -> None:
        found = await self.command("POST", "element", {"using": "css selector", "value": selector})
        await self.command("POST", f"element/{found[ELEMENT]}/click")

    async def devtools(self, name: str, **parameters: object) -> Any:  # noqa: ANN401 - JSON
        """Send a Chromium DevTools command."""
        return await self.command("POST", "goog/cdp/execute", {"cmd": name, "params": parameters})

    async def appear(self, *, width: int, height: int, scheme: str) -> None:
        """Emulate a screen of this size, with the light or dark colour scheme."""
        await self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.devtools("Emulation.setEmulatedMedia", features=features)

    async def screenshot(self) -> bytes:
        """Return a PNG image."""
        return base64.b64decode(await self.command("GET", "screenshot"))

    async def complaints(self) -> list[str]:
        """The console messages since the last call."""
        return [entry["message"] for entry in await self.command("POST", "se/log", {"type": "browser"})]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start a browser with an empty profile."""
    program = shutil.which("chromium")
    driver = await asyncio.create_subprocess_exec(
        "chromedriver", "--port=0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert driver.stdout is not None
    try:
        line = b""
        async with asyncio.timeout(30):
            while b"on port" not in line or b"successfully" not in line:
                line = await driver.stdout.readline()
                assert line, "chromedriver did not start"
        port = int(line.decode().rstrip(". \n").rpartition(" ")[2])
        with tempfile.TemporaryDirectory() as profile:
            options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": program}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
                begun = await client.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
                assert begun.status_code == 200, begun.text
                session = begun.json()["value"]["sessionId"]
                client.base_url = httpx.URL(f"http://127.0.0.1:{port}/session/{session}/")
                try:
                    yield Browser(client)
                finally:
                    await client.delete(f"http://127.0.0.1:{port}/session/{session}")
    finally:
        driver.terminate()
        await driver.wait()
