"""The public Python API, which `deploy/docs/reference/python.md` lists."""

import subprocess
import sys
from importlib import import_module

import pytest

from tests.docs.reference.python import PLUGIN_INTERFACES, PUBLIC

NAMES = {
    "concur_proxy.client": {"Session", "async_event_hooks", "attach", "event_hooks", "headers", "session"},
    "concur_proxy.asgi": {"MountedGateway", "create_app"},
    "concur_proxy.aio": {"Gate", "NotAdmitted", "Reading", "Turn"},
}
"""Users rely on these names. Removing one is a change for the changelog."""


@pytest.mark.parametrize("module", PUBLIC)
def test_a_public_module_has_its_names_and_explains_each(module: str) -> None:
    assert set(import_module(module).__all__) == NAMES[module]
    for name in NAMES[module]:
        assert getattr(import_module(module), name).__doc__


@pytest.mark.parametrize("module", PLUGIN_INTERFACES)
def test_what_plug_ins_are_written_against_is_there(module: str) -> None:
    for name in PLUGIN_INTERFACES[module]:
        assert getattr(import_module(module), name).__doc__


def test_the_client_helper_imports_the_standard_library_only() -> None:
    code = "import sys; before = set(sys.modules); import concur_proxy.client; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    packages = {name.partition(".")[0] for name in done.stdout.split()}
    assert packages - set(sys.stdlib_module_names) == {"concur_proxy"}


def test_the_gate_imports_no_server() -> None:
    code = "import sys, concur_proxy.aio; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"fastapi", "starlette", "uvicorn", "redis"} & set(done.stdout.split())
