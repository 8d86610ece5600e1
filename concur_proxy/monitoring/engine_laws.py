"""The control law of each engine: the law of the settings, or one that an operator chose."""

from collections.abc import Mapping

from concur_proxy import plugins
from concur_proxy.control.law import ControlLaw
from concur_proxy.control.options import OptionValue
from concur_proxy.monitoring.plugin_failures import PluginFailures
from concur_proxy.settings.gateway import GatewaySettings

NamedLaw = tuple[str, dict[str, OptionValue]]
"""A law's name and its options."""


class EngineLaws:
    """Each engine has its own instance of a law, which is made when it is first needed."""

    def __init__(self, settings: GatewaySettings, failures: PluginFailures | None = None) -> None:
        """`failures` gets the errors that a law raises."""
        self._failures = PluginFailures() if failures is None else failures
        self._fallback_window = float(settings.fallback_window)
        self._usual: NamedLaw = (settings.law, settings.law_options)
        self._laws: dict[str, ControlLaw] = {}
        self._chosen: dict[str, NamedLaw] = {}
        self.mode = settings.mode
        """`enforce`, or `observe`: no request waits, whatever the law says."""

    def of(self, engine: str) -> ControlLaw:
        """The law that moves the engine's window."""
        if engine not in self._laws:
            self._laws[engine] = _make(*self.named(engine))
        return self._laws[engine]

    def enforces(self, engine: str) -> bool:
        """Whether requests wait for the engine's window."""
        law = self.of(engine)
        try:
            enforces = law.enforces
        except Exception as error:  # noqa: BLE001 - a law, possibly a plug-in, must never stop the gateway
            self.note(engine, error)
            enforces = True
        return enforces and self.mode == "enforce"

    def window(self, engine: str) -> float:
        """The window of the engine's law; the fallback window if the law fails."""
        law = self.of(engine)
        try:
            return law.window
        except Exception as error:  # noqa: BLE001 - as above
            self.note(engine, error)
            return self._fallback_window

    def note(self, engine: str, error: Exception) -> None:
        """The engine's law has raised this."""
        self._failures.note(plugins.LAWS, self.named(engine)[0], "the fallback window applies instead", error)

    def named(self, engine: str) -> NamedLaw:
        """The name and options of the engine's law."""
        return self._chosen.get(engine, self._usual)

    def chosen(self, engine: str) -> NamedLaw | None:
        """The law that an operator chose; None if the engine has the law of the settings."""
        return self._chosen.get(engine)

    def choose(self, engine: str, name: str, options: Mapping[str, OptionValue]) -> None:
        """Use the law that an operator chose for this engine. If `check` raises, nothing has changed."""
        self._laws[engine] = self.check(name, options)
        self._chosen[engine] = name, dict(options)

    def check(self, name: str, options: Mapping[str, OptionValue]) -> ControlLaw:
        """A law that the admin API may choose. Raises `ValueError` for an unknown law or a wrong option.

        The admin API cannot choose a law by import path, because that would let its callers run any importable code.
        It can choose the law of the settings, however it is named there.
        """
        if ":" in name and name != self._usual[0]:
            raise ValueError(f"law {name!r}: an import path can be used in the settings only")
        return _make(name, options)

    def release(self, engine: str) -> None:
        """Give the engine a new instance of the law of the settings."""
        self._laws.pop(engine, None)
        self._chosen.pop(engine, None)

    def reconfigure(self, settings: GatewaySettings) -> list[str]:
        """Apply changed settings. Returns the engines whose law has changed."""
        self.mode = settings.mode
        usual = (settings.law, settings.law_options)
        if usual == self._usual:
            return []
        self._usual = usual
        others = [engine for engine in self._laws if engine not in self._chosen]
        for engine in others:
            del self._laws[engine]
        return others


def _make(name: str, options: Mapping[str, OptionValue]) -> ControlLaw:
    return plugins.build(plugins.LAWS, name, options)
