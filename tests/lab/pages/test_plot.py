"""The static chart: bars and lines in the chart's own units."""

from xml.etree import ElementTree as ET

from concur_proxy.lab.pages.plot import HEIGHT, WIDTH, Plot, bars, figure, lines


def drawn(marks: str) -> ET.Element:
    plot = Plot(
        title="<Waits>", scale=["2 s", "1 s", "0 s"], times=["9:00", "10:00"], marks=marks, keys=[("first", "a & b")],
        label='"waits"',
    )  # fmt: skip
    return ET.fromstring(figure(plot))  # noqa: S314 - our own drawing


def test_text_stays_text_and_each_label_of_the_scale_has_its_line() -> None:
    chart = drawn("")
    assert chart.findtext("figcaption") == "<Waits>"
    assert chart.findtext("div/span") == "a & b"
    assert [span.text for span in chart.findall(".//span")] == ["a & b", "2 s", "1 s", "0 s", "9:00", "10:00"]
    assert [float(line.attrib["y1"]) for line in chart.iter("line")] == [0, HEIGHT / 2, HEIGHT]
    assert [svg.attrib["aria-label"] for svg in chart.iter("svg")] == ['"waits"']


def test_bars_stand_in_their_slots_and_a_small_one_can_be_seen() -> None:
    first, tiny, none = drawn(bars([(0, 1.0, "all"), (2, 0.0001, "little"), (3, 0.0, "nothing")], slots=4)).iter("rect")
    assert (first.findtext("title"), float(first.attrib["height"]), float(first.attrib["y"])) == ("all", HEIGHT, 0)
    assert WIDTH / 2 < float(tiny.attrib["x"]) < WIDTH * 3 / 4
    assert float(tiny.attrib["height"]) > 0
    assert float(none.attrib["height"]) == 0


def test_a_line_goes_from_the_lower_left_to_the_upper_right_and_a_single_point_is_no_line() -> None:
    (line,) = drawn(lines("first", [[(0.0, 0.0), (1.0, 1.0)], [(0.5, 0.5)]])).iter("polyline")
    assert line.attrib["points"] == f"0.0,{HEIGHT}.0 {WIDTH}.0,0.0"
