"""Settings with faults. Wrong values are left out, so that everything else can be checked in the same run."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from concur_proxy.settings.disagreements import Disagreement, disagreements
from concur_proxy.settings.file import ConfigFileError
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.settings.secret_files import SecretFileError

Fault = ConfigFileError | SecretFileError | ValidationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What can be said about settings of which some are wrong."""

    settings: GatewaySettings
    """All settings, with the default in the place of each wrong value."""
    left_out: frozenset[str]
    """The settings that are wrong. With a configuration file that cannot be read, `config` is one of them."""
    faults: tuple[Fault, ...]

    def disagreements(self) -> list[Disagreement]:
        """Each pair of correct settings that do not fit together."""
        pairs = disagreements(self.settings)
        return [pair for pair in pairs if not {pair.first, pair.second} & self.left_out]


def draft(flags: Mapping[str, object]) -> Draft:
    """Read all settings from their sources, again without the wrong ones for as long as more are wrong."""
    left_out: frozenset[str] = frozenset()
    faults: list[Fault] = []
    while True:
        try:
            settings = _reading_without(left_out)(**{name: flags[name] for name in flags if name not in left_out})  # type: ignore[arg-type]
        except ConfigFileError as error:
            fault: Fault = error
            wrong = {"config"}
        except SecretFileError as error:
            fault, wrong = error, {error.setting}
        except ValidationError as error:
            fault, wrong = error, {str(details["loc"][0]) for details in error.errors(include_url=False)}
        else:
            return Draft(settings=settings, left_out=left_out, faults=tuple(faults))
        if wrong <= left_out:  # leaving them out does not help
            raise fault
        faults.append(fault)
        left_out |= wrong


def _reading_without(names: frozenset[str]) -> type[GatewaySettings]:
    class Without(GatewaySettings):
        left_out = names

    return Without
