import pytest

from tests.real_engine.fleet import prompt_tokens
from tests.real_engine.model import SIZES, sized
from tests.real_engine.models import MOST_LAYERS, fitting_layers


@pytest.mark.parametrize(
    ("rate", "wanted", "layers"), [(2000, 1000, 16), (1000, 2000, 4), (1000, 1000, 8), (90000, 1000, MOST_LAYERS)]
)
def test_a_core_of_twice_the_speed_gets_twice_the_layers(rate: float, wanted: float, layers: int) -> None:
    assert fitting_layers(8, rate=rate, wanted=wanted) == layers


def test_a_name_can_say_the_number_of_layers() -> None:
    assert sized("fleet-middle") == SIZES["fleet-middle"]
    assert (sized("fleet-middle-5").layers, sized("fleet-middle-5").hidden) == (5, SIZES["fleet-middle"].hidden)


def test_a_fleet_computes_each_prompt_without_control() -> None:
    assert prompt_tokens("sglang") == 12 * (8 * 300 + 216 * sum(range(8)))
