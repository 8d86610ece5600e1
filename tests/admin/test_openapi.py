"""The OpenAPI document is correct: every answer matches its schema."""

import asyncio
import json
from typing import Any

import httpx
import jsonschema

from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Hold, scripted_engine

V1 = "/concur/v1"


class Described:
    """Calls the API and validates each answer against the document."""

    def __init__(self, gateway: RunningGateway, document: dict[str, Any]) -> None:
        self._gateway = gateway
        self._document = document
        self.seen: set[tuple[str, str, int]] = set()

    async def call(self, method: str, path: str, body: object = None, **more: Any) -> httpx.Response:  # noqa: ANN401
        """Make one call and validate its answer."""
        answer = await self._gateway.client.request(method, f"{V1}/{path}", json=body, **more)
        described = self._document["paths"][f"{V1}/{path}"][method.lower()]
        taken = described.get("requestBody")
        if taken is not None and answer.status_code == 200:
            jsonschema.validate(body, taken["content"]["application/json"]["schema"])
        content = described["responses"][str(answer.status_code)]["content"]["application/json"]
        schema = {**content["schema"], "components": self._document["components"]}
        jsonschema.validate(answer.json(), schema)
        self.seen.add((method, path, answer.status_code))
        return answer


async def test_what_is_answered_is_what_is_described() -> None:
    hold, other = Hold(), "http://127.0.0.1:9"
    settings: dict[str, Any] = {"law": "static", "law_options": {"window": 1}, "work_conserving": False}
    async with scripted_engine(script=hold, models=["m"]) as engine, running_gateway(engine.url, **settings) as gateway:
        document = (await gateway.client.get(f"{V1}/openapi.json")).json()
        api = Described(gateway, document)
        tasks = [asyncio.create_task(gateway.chat(key)) for key in ("a", "b", None)]
        await gateway.until(lambda: gateway.snapshot().held == 2 and gateway.app.monitors[0].models is not None)
        named, session = {"engine": engine.url}, {"session_id": "a"}
        state = (await api.call("GET", "state")).json()
        assert len(state["sessions"]) == state["sessions_total"] == 3
        assert state["decisions"]
        assert (state["role"], state["laws"]) == ("single", ["aimd", "off", "static", "tokens", "vegas"])
        assert state["engines"][0]["server"] == engine.url
        await api.call("GET", "history", params={"engine": "", "seconds": 60})
        await api.call("GET", "history", params={"engine": other})
        await api.call("GET", "history", params={"seconds": "soon"})
        await api.call("GET", "sessions")
        await api.call("GET", "sessions", params={"search": "A", "state": "running", "tenant": "", "page": "2"})
        await api.call("GET", "sessions", params={"state": "asleep"})
        await api.call("GET", "sessions", params={"session_id": "a"})
        await api.call("GET", "sessions", params={"session_id": "x"})
        for way in ("pause", "resume", "prioritise", "end"):
            await api.call("POST", f"sessions/{way}", session)
            await api.call("POST", f"sessions/{way}", {"session_id": "x"})
            await api.call("POST", f"sessions/{way}", {})
        for body in ({**named, "tokens": 5000}, named, {**named, "sessions": 4}, {"engine": other}):
            await api.call("PUT", "window", body)
            await api.call("DELETE", "window", {"engine": body["engine"]})
        await api.call("PUT", "law", {**named, "law": "static", "options": {"window": 3}})
        await api.call("DELETE", "law", named)
        await api.call("PUT", "law", {**named, "law": "tokns"})
        await api.call("GET", "engines")
        await api.call("DELETE", "engines", {"engine": other})
        await api.call("DELETE", "engines", named)
        await api.call("POST", "engines", {"engine": other})
        await api.call("DELETE", "engines", named)
        assert (await api.call("GET", "engines")).json()["removed"] == [engine.url]
        await api.call("POST", "engines", {"engine": "x" * 70_000})
        await api.call("GET", "state", headers={"origin": "http://evil.example"})
        hold.open.set()
        await asyncio.gather(*tasks)
    described = {
        (method.upper(), path.removeprefix(f"{V1}/"), 200)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "503" in operation["responses"]
    }
    assert described <= api.seen, "a call was not tried"
    assert {404, 409, 413, 403, 400} <= {status for _, _, status in api.seen}
    assert json.dumps(document)


async def test_a_key_that_is_missing_is_described_as_well() -> None:
    async with running_gateway("http://127.0.0.1:9", admin_key="open sesame") as gateway:
        key = {"authorization": "Bearer open sesame"}
        document = (await gateway.client.get(f"{V1}/openapi.json", headers=key)).json()
        assert document["components"]["securitySchemes"]["admin_key"]["scheme"] == "bearer"
        assert document["paths"][f"{V1}/state"]["get"]["security"] == [{"admin_key": []}, {}]
        await Described(gateway, document).call("GET", "state")
