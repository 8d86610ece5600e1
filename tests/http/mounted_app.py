"""An application that mounts a gateway, for `uvicorn tests.http.mounted_app:app`. Its settings are in `CONCUR_*`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from concur_proxy.asgi import create_app

gateway = create_app(scrape_interval_s=0.05, admin_listen="main")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Start and stop the gateway with the application."""
    async with gateway:
        yield


app = FastAPI(lifespan=lifespan if os.environ.get("TEST_LIFESPAN") else None)
app.mount("/llm", gateway)


@app.get("/own")
async def own() -> str:
    """A path of the application itself."""
    return "own"
