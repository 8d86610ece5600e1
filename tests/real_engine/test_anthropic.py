import pytest
from anthropic import BadRequestError
from anthropic.types import RawMessageStreamEvent

from tests.real_engine.ways import BothWays, Way

TEXT = "tell me what the test says"


def test_a_message_is_the_engines(both: BothWays) -> None:
    message = both.same(
        lambda way: way.anthropic.messages.create(
            model="tiny",
            system="be brief",
            messages=[{"role": "user", "content": TEXT}],
            max_tokens=16,
            extra_body={"temperature": 0},
        )
    )
    assert message.content
    assert message.usage.output_tokens == 16


def test_a_message_stream_is_the_engines(both: BothWays) -> None:
    def ask(way: Way) -> list[RawMessageStreamEvent]:
        return list(
            way.anthropic.messages.create(
                model="tiny",
                messages=[{"role": "user", "content": TEXT}],
                max_tokens=16,
                stream=True,
                extra_body={"temperature": 0},
            )
        )

    events = both.same(ask)
    assert [events[0].type, events[-1].type] == ["message_start", "message_stop"]


def test_the_sdk_puts_a_stream_together_to_one_message(proxied: Way) -> None:
    with proxied.anthropic.messages.stream(
        model="tiny", messages=[{"role": "user", "content": TEXT}], max_tokens=16
    ) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert message.content[0].type == "text"
    assert message.content[0].text == text
    assert message.usage.output_tokens == 16


def test_counted_tokens_are_the_engines(both: BothWays) -> None:
    count = both.same(
        lambda way: way.anthropic.messages.count_tokens(model="tiny", messages=[{"role": "user", "content": TEXT}])
    )
    assert count.input_tokens > 0


def test_the_sdk_gets_the_engines_error(both: BothWays) -> None:
    with pytest.raises(BadRequestError):
        both.same(
            lambda way: way.anthropic.messages.create(
                model="tiny", messages=[{"role": "user", "content": "x " * 9000}], max_tokens=1
            )
        )
