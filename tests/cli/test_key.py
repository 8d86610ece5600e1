"""`concur-proxy key` makes a key that the gateway accepts."""

from pathlib import Path

import pytest

from concur_proxy.cli.key import main
from concur_proxy.recognition.tenants import Tenants
from concur_proxy.settings.client_keys import read_client_keys


def test_a_made_key_is_its_tenants_and_is_not_in_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, made = tmp_path / "keys.toml", {}
    for tenant in ("research", 'the "night" team'):
        assert main([tenant]) == 0
        shown = capsys.readouterr()
        made[tenant] = shown.err.strip().rpartition(" ")[2]
        with file.open("a", encoding="utf-8") as opened:
            opened.write(shown.out)
    tenants = Tenants(keys=read_client_keys(file))
    for tenant, key in made.items():
        found = tenants.of({b"authorization": f"Bearer {key}".encode()})
        assert found is not None
        assert found.name == tenant
        assert key not in file.read_text(encoding="utf-8")
    assert len(set(made.values())) == len(made)


@pytest.mark.parametrize("tenant", ["", " a", "a" * 65, "a\nb"])
def test_a_name_that_the_file_would_not_accept_is_refused(tenant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([tenant])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("concur-proxy key: error: a tenant has a name of")
