from xml.etree import ElementTree as ET

from concur_proxy.lab.simulation.chart import PANELS, chart
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES
from tests.lab.simulation.small import small


def test_a_chart_is_an_svg_with_a_curve_for_each_law_in_each_panel() -> None:
    results = [Experiment(small(), POLICIES[name], 1).run() for name in ("off", "tokens")]
    root = ET.fromstring(chart(results))  # noqa: S314 - ours
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2 * len(PANELS)
    assert all(len(line.attrib["points"].split()) > 5 for line in lines)
    texts = " ".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert all(title in texts for title, _ in PANELS)
    assert "tokens" in texts


def test_a_chart_of_nothing_is_empty_and_whole() -> None:
    ET.fromstring(chart([]))  # noqa: S314 - ours
