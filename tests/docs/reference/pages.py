"""The pages of the reference, each with the function that writes it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.docs.reference.admin_api import admin_api_page
from tests.docs.reference.chart import FILES
from tests.docs.reference.commands import commands_page
from tests.docs.reference.http import http_page
from tests.docs.reference.laws import laws_page
from tests.docs.reference.metrics import metrics_page
from tests.docs.reference.python import python_page
from tests.docs.reference.settings import settings_page

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "docs" / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "laws.md": laws_page,
    "http.md": http_page,
    "metrics.md": metrics_page,
    "admin-api.md": admin_api_page,
    "python.md": python_page,
}

WRITTEN: Mapping[Path, Callable[[], str]] = {**{FOLDER / name: write for name, write in PAGES.items()}, **FILES}
"""All files that the command writes: the pages, and those of the chart."""
