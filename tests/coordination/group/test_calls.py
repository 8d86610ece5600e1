import asyncio

import pytest

from concur_proxy.coordination.coordinator import LeaderSilent
from concur_proxy.coordination.group import calls
from concur_proxy.coordination.group.calls import MOST_AT_ONCE, MOST_BYTES, Calls, fit
from concur_proxy.coordination.protocol.messages import Ask, Call, Reply, Told

CALL = Call(method="GET", path="/concur/v1/state")
DONE = Reply(status=200, body=b"{}")


async def test_each_call_gets_its_own_answer_and_a_late_one_is_nobodys() -> None:
    sent: list[Ask] = []
    waiting = Calls(sent.append)
    first, second = [asyncio.create_task(waiting.put(CALL, "r")) for _ in range(2)]
    await asyncio.sleep(0)
    waiting.told(Told(number=sent[1].number, reply=DONE))
    assert await second == DONE
    assert not first.done()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    waiting.told(Told(number=sent[0].number, reply=DONE))


async def test_a_silent_leader_is_named_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "TOLD_S", 0.01)
    with pytest.raises(LeaderSilent, match="The gateway that leads, r7, has not answered"):
        await Calls(lambda _: None).put(CALL, "r7")


async def test_who_leads_no_more_is_not_waited_for_and_not_too_many_wait() -> None:
    waiting = Calls(lambda _: None)
    tasks = [asyncio.create_task(waiting.put(CALL, "r")) for _ in range(MOST_AT_ONCE)]
    await asyncio.sleep(0)
    with pytest.raises(LeaderSilent, match=f"{MOST_AT_ONCE} calls wait"):
        await waiting.put(CALL, "r")
    waiting.give_up()
    for answer in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(answer, LeaderSilent)


def test_an_answer_that_is_too_large_is_not_sent() -> None:
    assert fit(DONE) == DONE
    refused = fit(Reply(status=200, body=b"x" * (MOST_BYTES + 1)))
    assert (refused.status, b"answer_too_large" in refused.body) == (502, True)
