"""Turns the faults that pydantic finds in settings into one line each."""

from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from concur_proxy.cli.origins import Origins
from concur_proxy.control.faults import Faults
from concur_proxy.settings.disagreements import Disagreement
from concur_proxy.settings.secret_files import SECRETS
from concur_proxy.settings.sources import ENV_PREFIX


def lines(error: ValidationError, origins: Origins) -> Iterator[str]:
    """One line for each fault that pydantic found: where the value was set, what is wrong, and what is expected."""
    reported: set[tuple[int | str, ...]] = set()
    for details in error.errors(include_url=False):
        place = details["loc"][:2]
        # pydantic reports one wrong value several times: for each kind that it could have, and for the list around it
        if place in reported or (len(place) == 1 and any(other[:1] == place for other in reported)):
            continue
        reported.add(place)
        yield from _lines(details, origins)


def disagreement(found: Disagreement, origins: Origins) -> str:
    """The line about two settings that do not fit together."""
    first, second = origins.describe(found.first), origins.describe(found.second)
    return f"{first} must be {found.relation} {second}: {found.reason}"


def _lines(details: ErrorDetails, origins: Origins) -> Iterator[str]:
    error = details.get("ctx", {}).get("error")
    if isinstance(error, Faults):
        origin = origins.describe(str(details["loc"][0]))
        yield from (f"{origin}: {problem}" for problem in error.problems)
    else:
        yield _line(details, origins)


def _line(details: ErrorDetails, origins: Origins) -> str:
    kind, place = details["type"], details["loc"]
    if kind == "no_engine":
        return f"no engine given: use --engine URL, {ENV_PREFIX}ENGINE, or engine in the configuration file"
    name = str(place[0])
    if kind == "extra_forbidden":
        return origins.unknown(name)
    if name == "law_options":
        origin = origins.describe(name, part=place[1] if len(place) > 1 else None)
        return f'{origin}: must be names with values, such as {{"alpha": 2}}'
    # a validator may have converted the input: show what the operator wrote, if all of it is wrong
    wrong = details["input"] if len(place) > 1 or name in SECRETS else None
    return f"{origins.describe(name, wrong)}: {_complaint(details)}"


def _complaint(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    if "error" in context:
        return str(context["error"])
    templates = {
        "greater_than": "must be more than {gt:g}",
        "greater_than_equal": "must be {ge:g} or more",
        "less_than_equal": "must be {le:g} or less",
        "literal_error": "must be {expected}",
        "int_parsing": "must be a whole number",
        "int_from_float": "must be a whole number",
        "int_type": "must be a whole number",
        "float_parsing": "must be a number",
        "float_type": "must be a number",
        "finite_number": "must be a finite number",
        "bool_parsing": "must be true or false",
        "bool_type": "must be true or false",
        "string_type": "must be text",
        "path_type": "must be the path of a file",
        "string_too_short": "must not be empty",
        "tuple_type": "must be a list",
    }
    template = templates.get(details["type"])
    return details["msg"] if template is None else template.format(**context).replace("'", "")
