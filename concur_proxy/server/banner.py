"""What `serve` says at its start: where clients and operators connect, what it controls, and what is missing."""

import asyncio
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from concur_proxy.admin.paths import DOCS_PATH, PAGE_PATH
from concur_proxy.control.phrasing import count, duration
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.server.listen import ANY_IPV4, ANY_IPV6, Listening, urls
from concur_proxy.settings.admin_listen import UNIX, is_loopback
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.telemetry.announcement import announce

logger = logging.getLogger(__name__)

ENGINES_S = 3.0
"""How long the banner waits for the engines' first answers."""
POLL_S = 0.1
LOCAL = {ANY_IPV4: "127.0.0.1", ANY_IPV6: "::1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """The banner of one gateway process."""

    settings: GatewaySettings
    listening: Listening
    scheme: str
    monitors: Collection[EngineMonitor]

    async def show(self) -> None:
        """Print the banner: the addresses at once, the engines when each has answered, or after `ENGINES_S`. An engine
        that answers later gets its line then.
        """
        if not self.listening.announces:
            return
        is_json = self.settings.log_format == "json"
        if not is_json:
            announce(*self.addresses())
        elif self.settings.port == 0:
            announce(*self.addresses()[:1])  # a script could not know the port otherwise
        waiting = await self._await_engines()
        if is_json:
            logger.info("serving", extra={"facts": self.facts()})
        else:
            announce(*self.state())
        while waiting:
            await asyncio.sleep(POLL_S * 10)
            for monitor in [each for each in waiting if _is_known(each)]:
                waiting.remove(monitor)
                if is_json:
                    logger.info("engine known", extra={"facts": _facts(monitor)})
                else:
                    announce(_line(monitor))

    async def _await_engines(self) -> list[EngineMonitor]:
        """Wait until each engine has answered, or failed to. Returns those that are still unknown."""
        for _ in range(round(ENGINES_S / POLL_S)):
            if all(_is_known(each) or each.scrape_failures for each in self.monitors):
                break
            await asyncio.sleep(POLL_S)
        return [each for each in self.monitors if not _is_known(each)]

    # -- what it says

    def addresses(self) -> list[str]:
        """Where the gateway listens. In each of the first lines, the last word is a URL, for scripts."""
        lines = [f"concur-proxy listens on {url}" for url in self._main_urls]
        if (page := self.page_url) is not None:
            lines.append(f"concur-proxy has its admin API and live page on {page}")
        return lines

    def state(self) -> list[str]:
        """What clients need, what is controlled, and what is missing."""
        base = self.base_url
        others = "" if self._is_local else "; from other machines with this machine's name"
        return [
            f"base_url for clients: {base}/v1 (OpenAI), {base} (Anthropic){others}",
            *([] if self.page_url is None else [f"reference of the admin API: {self._docs_url}"]),
            f"law {self.settings.law}, mode {self.settings.mode}: {_MODES[self.settings.mode]}",
            *_goal_lines(self.settings),
            *map(_line, self.monitors),
            *(f"missing: {text}" for text in self.missing()),
        ]

    def facts(self) -> dict[str, object]:
        """The same for machines."""
        return {
            "listens_on": self._main_urls,
            "base_url": f"{self.base_url}/v1",
            "live_page": self.page_url,
            "law": self.settings.law,
            "mode": self.settings.mode,
            "goal": self.settings.goal,
            "first_token_target_s": self.settings.first_token_target_s or None,
            "engines": [_facts(each) for each in self.monitors],
            "missing": list(self.missing()),
        }

    def missing(self) -> Iterator[str]:
        """One sentence for each thing that a gateway in this place should have."""
        for monitor in self.monitors:
            if monitor.has_answered and monitor.failure is not None and monitor.is_read:
                yield f"metrics of {monitor.engine} ({monitor.failure}): its window cannot follow its load"
            elif _is_known(monitor) and _capacity(monitor) is None:
                yield f"size of the KV cache of {monitor.engine}: set capacity_tokens"
        if self.page_url is None:
            yield "a place for the live page and the admin API: set admin_key, or admin_listen"
        elif self.settings.admin_key is None and not self._is_local:
            yield "admin_key: without it, only this machine can use the live page and the admin API"
        if self.settings.store == "memory" and not self._is_local:
            yield "store redis: needed for more than one gateway in front of these engines"

    # -- addresses

    @property
    def base_url(self) -> str:
        """Where a client on this machine finds the gateway."""
        host = self.settings.host[0]
        return urls([LOCAL.get(host, host)], self.listening.port, self.scheme)[0]

    @property
    def page_url(self) -> str | None:
        """The live page's URL, or `unix:` and a path; None if it is not served."""
        admin = self.listening.admin_url
        if admin is not None:
            return admin if admin.startswith(UNIX) else f"{admin}{PAGE_PATH}"
        is_served = self.settings.admin_key is not None or self.settings.admin_listen == "main"
        return f"{self.base_url}{PAGE_PATH}" if is_served else None

    @property
    def _docs_url(self) -> str:
        return str(self.page_url).removesuffix(PAGE_PATH) + DOCS_PATH

    @property
    def _main_urls(self) -> list[str]:
        return urls(self.settings.host, self.listening.port, self.scheme)

    @property
    def _is_local(self) -> bool:
        return all(map(is_loopback, self.settings.host))


_MODES = {
    "enforce": "sessions wait when an engine's cache is full",
    "observe": "no request waits; metrics and page show what would",
}


def _goal_lines(settings: GatewaySettings) -> Iterator[str]:
    """What the goal promises, if it is not the default."""
    if settings.first_token_target_s:
        within = duration(settings.first_token_target_s)
        yield f"goal {settings.goal}: the first token of 99 % of answers should come within {within}"
    elif settings.goal != "throughput":
        yield f"goal {settings.goal}: {_GOALS[settings.goal]}"


_GOALS = {
    "balanced": "requests wait for about as long as without control",
    "first-token": "requests wait for less time than without control",
}
"""Without a target."""


def _is_known(monitor: EngineMonitor) -> bool:
    return monitor.rates is not None and monitor.models is not None


def _capacity(monitor: EngineMonitor) -> float | None:
    return None if monitor.tokens.capacity is None else monitor.tokens.capacity.tokens


def _line(monitor: EngineMonitor) -> str:
    """An engine in one line."""
    if not monitor.is_read:
        return f"engine {monitor.engine}: the leading gateway reads its metrics"
    if not monitor.has_answered:
        return f"engine {monitor.engine}: not answering yet ({monitor.failure})"
    capacity, models = _capacity(monitor), sorted(monitor.models or ())
    parts = [
        monitor.kind or "unknown kind of engine",
        f"model {', '.join(models)}" if models else "models unknown",
        "size of its KV cache unknown" if capacity is None else f"{count(capacity)} KV tokens",
    ]
    return f"engine {monitor.engine}: {', '.join(parts)}"


def _facts(monitor: EngineMonitor) -> dict[str, object]:
    return {
        "engine": monitor.engine,
        "answers": monitor.has_answered,
        "kind": monitor.kind,
        "models": None if monitor.models is None else sorted(monitor.models),
        "kv_tokens": _capacity(monitor),
        "problem": monitor.failure,
    }
