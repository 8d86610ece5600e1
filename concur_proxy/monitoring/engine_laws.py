"""Which control law moves the window of which engine: the settings' one, or one that was chosen by hand."""

from collections.abc import Mapping

from concur_proxy import plugins
from concur_proxy.control.law import ControlLaw
from concur_proxy.control.options import OptionValue
from concur_proxy.settings.gateway import GatewaySettings

NamedLaw = tuple[str, dict[str, OptionValue]]
"""A law's name, and the options that it is given."""


class EngineLaws:
    """Each engine has a law of its own, made when it is first asked for."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._usual: NamedLaw = (settings.law, settings.law_options)
        self._laws: dict[str, ControlLaw] = {}
        self._chosen: dict[str, NamedLaw] = {}
        self.mode = settings.mode
        """`enforce`, or `observe`: nobody is held, whatever the law."""

    def of(self, engine: str) -> ControlLaw:
        """The law that moves the engine's window."""
        if engine not in self._laws:
            self._laws[engine] = _make(*self.named(engine))
        return self._laws[engine]

    def enforces(self, engine: str) -> bool:
        """Whether the engine's window holds anybody."""
        return self.of(engine).enforces and self.mode == "enforce"

    def named(self, engine: str) -> NamedLaw:
        """Its name and options."""
        return self._chosen.get(engine, self._usual)

    def chosen(self, engine: str) -> NamedLaw | None:
        """Those that a person chose; None where it is the settings' one."""
        return self._chosen.get(engine)

    def choose(self, engine: str, name: str, options: Mapping[str, OptionValue]) -> None:
        """An operator chooses a law for this engine. `ValueError` if `check` raises one; then nothing has changed."""
        self._laws[engine] = self.check(name, options)
        self._chosen[engine] = name, dict(options)

    def check(self, name: str, options: Mapping[str, OptionValue]) -> ControlLaw:
        """A law that the admin API may choose. `ValueError` for an unknown law or a wrong option.

        The admin API cannot choose a law by import path, because that would let its callers run any importable code.
        It can choose the law of the settings, however it is named there.
        """
        if ":" in name and name != self._usual[0]:
            raise ValueError(f"law {name!r}: an import path can be used in the settings only")
        return _make(name, options)

    def release(self, engine: str) -> None:
        """What was chosen is forgotten: it is the settings' one again, made anew."""
        self._laws.pop(engine, None)
        self._chosen.pop(engine, None)

    def reconfigure(self, settings: GatewaySettings) -> list[str]:
        """The settings are others; returns the engines that have another law thereby."""
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
    return plugins.load(plugins.LAWS, name)(options)
