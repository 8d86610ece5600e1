from concur_proxy.doctor.capacity import examine_capacity
from concur_proxy.engines.sample import EngineSample


def test_a_size_that_nothing_contradicts_is_no_finding() -> None:
    derived = EngineSample(at=0.0, kind="vllm", capacity_tokens=8192, capacity_is_derived=True)
    told = EngineSample(at=0.0, kind="sglang", capacity_tokens=8192)
    assert examine_capacity("http://a", [derived], set_tokens=None, longest=8192) == []
    assert examine_capacity("http://a", [derived], set_tokens=None, longest=None) == []
    assert examine_capacity("http://a", [told], set_tokens=None, longest=131_072) == []
    assert examine_capacity("http://a", [told], set_tokens=8192, longest=None) == []
