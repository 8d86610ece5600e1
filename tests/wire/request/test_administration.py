import pytest

from concur_proxy.wire.request import known_endpoints
from concur_proxy.wire.request.administration import SGLANG_ADMINISTRATION, VLLM_ADMINISTRATION, is_administration


@pytest.mark.parametrize("path", sorted(VLLM_ADMINISTRATION | SGLANG_ADMINISTRATION))
def test_it_knows_a_path_however_its_slashes_and_case_are(path: str) -> None:
    for spelling in (path, f"{path}/", f"/{path}", path.upper(), path.replace("/", "//")):
        assert is_administration(spelling)


@pytest.mark.parametrize("path", ["/hicache/storage-backend", "/hicache/storage-backend/clear", "/dumper/dump"])
def test_families_are_administration_below_their_prefix(path: str) -> None:
    assert is_administration(path)


def test_no_path_that_passes_is_administration() -> None:
    for _, path in known_endpoints.GENERATING + known_endpoints.PASSING:
        assert not is_administration(path)


@pytest.mark.parametrize("path", ["", "/", "/v1/models/sleep", "/sleepy", "/v1/sleep"])
def test_a_likeness_is_not_administration(path: str) -> None:
    assert not is_administration(path)
