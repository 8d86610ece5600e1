"""The gateway's HTTP side: a plain ASGI relay for the engines' paths, FastAPI for our own few."""
