import pytest

from concur_proxy.engines.address import EngineAddress, addresses

URL = "http://gpu1:8000/base"


def test_a_url_is_one_engine_by_its_own_name() -> None:
    assert addresses(URL) == [EngineAddress(name=URL, url=URL)]


def test_each_rank_is_an_engine_of_the_same_server() -> None:
    assert addresses(f"{URL}#dp=2") == [
        EngineAddress(name=f"{URL}#rank=0", url=URL, dp_rank=0),
        EngineAddress(name=f"{URL}#rank=1", url=URL, dp_rank=1),
    ]


@pytest.mark.parametrize("mark", ["#", "#dp=", "#dp=0", "#dp=1025", "#dp=-1", "#dp=2#dp=2", "#ranks=2", "#dp=two"])
def test_what_is_no_number_of_ranks_is_an_error(mark: str) -> None:
    with pytest.raises(ValueError, match=r"dp=N|dp must be"):
        addresses(URL + mark)
