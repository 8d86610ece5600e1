from concur_proxy.recognition.recent import Recent


def test_the_values_used_last_are_kept_and_never_more_than_allowed() -> None:
    recent: Recent[int] = Recent(8)
    for number in range(100):
        recent.put(b"%d" % number, number)
        assert recent.get(b"0") == 0
        assert len(recent) <= 8
    assert [recent.get(b"%d" % number) for number in (97, 98, 99)] == [97, 98, 99]
    assert recent.get(b"50") is None
