from concur_proxy.control.law import Budget
from concur_proxy.coordination.protocol.manual import ManualLaw, ManualSettings, ManualWindow
from concur_proxy.coordination.protocol.messages import (
    Ask,
    Batch,
    Call,
    Reply,
    Standing,
    Told,
    decode_batch,
    encode_batch,
)

ONE, TWO = "http://one:8000", "http://two:8000#dp=2"
RANKS = [f"{TWO.partition('#')[0]}#rank={rank}" for rank in range(2)]
WINDOW = ManualWindow(sessions=None, budget=Budget(tokens=4_000.0))
LAW = ManualLaw(name="static", options={"window": 3, "share": 0.5, "fast": True, "kind": "x"})


def test_each_change_is_a_later_one() -> None:
    now = ManualSettings()
    for change in (
        now.with_server(ONE),
        now.without_server(ONE, [ONE], is_named=True),
        now.forget([ONE], []),
        now.with_window(ONE, WINDOW),
        now.with_law(ONE, LAW),
    ):
        assert change.revision == 1
    assert now == ManualSettings()


def test_a_server_of_the_settings_stays_removed_until_it_is_added() -> None:
    now = ManualSettings().without_server(ONE, [ONE], is_named=True)
    assert (now.added, now.removed) == ((), (ONE,))
    assert (now.with_server(ONE, is_named=True).added, now.with_server(ONE, is_named=True).removed) == ((), ())
    now = now.with_server(ONE).with_server(ONE)
    assert (now.added, now.removed) == ((ONE,), ()), "the settings have ceased to name it meanwhile"


def test_a_server_that_only_a_person_named_is_forgotten_with_all_that_was_set_of_it() -> None:
    now = ManualSettings().with_server(TWO)
    for rank in RANKS:
        now = now.with_window(rank, WINDOW).with_law(rank, LAW)
    now = now.with_window(ONE, WINDOW).without_server(TWO, RANKS, is_named=False)
    assert (now.added, now.removed, now.laws) == ((), (), {})
    assert now.windows == {ONE: WINDOW}


def test_what_is_said_of_an_engine_is_found_by_any_of_it() -> None:
    assert not ManualSettings().mentions([ONE], [ONE])
    assert ManualSettings().with_server(ONE).mentions([ONE], [])
    assert ManualSettings().without_server(ONE, [], is_named=True).mentions([ONE], [])
    assert ManualSettings().with_window(ONE, WINDOW).mentions([], [ONE])
    assert ManualSettings().with_law(ONE, LAW).mentions([], [ONE])
    assert not ManualSettings().with_law(ONE, LAW).forget([ONE], [ONE]).mentions([ONE], [ONE])


def test_a_window_is_released() -> None:
    assert ManualSettings().with_window(ONE, WINDOW).with_window(ONE, None).windows == {}


def test_it_travels_with_calls_and_replies() -> None:
    manual = ManualSettings().with_server(ONE).with_window(ONE, WINDOW).with_law(ONE, LAW)
    messages = (
        Standing(engines={}, replicas=2, laws={}, manual=manual),
        Ask(number=3, call=Call(method="PUT", path="/concur/v1/law", query="a=b", body=b"{}")),
        Told(number=3, reply=Reply(status=404, body=b"{}")),
    )
    batch = Batch(sender="r", number=0, messages=messages)
    assert decode_batch(encode_batch(batch)) == batch
