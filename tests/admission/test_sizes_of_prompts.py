"""Footprints before an answer, for bodies whose size says little about their tokens."""

from collections.abc import Iterator, Mapping

import pytest

from tests.admission.bodies import CHAT, MESSAGES, RESPONSES, CountingFleet, picture, text

IMAGE_TOKENS = 1_500
PAGE_TOKENS = 1_600
PAGE_BYTES = 80_000

Turn = tuple[str, str, Mapping[str, object], int]
"""Session, path, body and tokens of the prompt."""


def _user(*parts: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def _image(number: object) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": picture(number)}}


def _words(tokens: int, seed: object) -> dict[str, object]:
    return {"type": "text", "text": text(tokens, seed)}


def _images(number: int) -> Turn:
    return f"image-{number}", CHAT, _user(_words(50, number), _image(number)), IMAGE_TOKENS + 70


def _image_urls(number: int) -> Turn:
    link = {"type": "image_url", "image_url": {"url": f"https://example.org/{number}.png"}}
    return f"link-{number}", CHAT, _user(_words(50, number), link), IMAGE_TOKENS + 70


def _texts(number: int) -> Turn:
    return f"text-{number}", CHAT, _user(_words(1_000, number)), 1_010


def _small_texts(number: int) -> Turn:
    return f"small-{number}", RESPONSES, {"input": text(400, number)}, 410


def _pdfs(number: int) -> Turn:
    pages = (5, 30, 80)[number % 3]
    source = {"type": "base64", "media_type": "application/pdf", "data": f"{number:04d}" + "A" * pages * PAGE_BYTES}
    return f"pdf-{number}", MESSAGES, _user({"type": "document", "source": source}), pages * PAGE_TOKENS + 10


def _tool_images(number: int) -> Turn:
    source = {"type": "base64", "media_type": "image/png", "data": f"{number:04d}" + "A" * 200_000}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": source}]}
    return f"tool-{number}", MESSAGES, _user(result), IMAGE_TOKENS + 30


def _audio(number: int) -> Turn:
    sound = {"type": "input_audio", "input_audio": {"data": f"{number:04d}" + "A" * 600_000, "format": "wav"}}
    return f"audio-{number}", CHAT, _user(_words(100, number), sound), 500


FLEETS = {
    "images": (_images,),
    "image URLs": (_image_urls,),
    "images in two ways, beside texts": (_images, _image_urls, _texts, _small_texts),
    "images in results of tools, beside texts": (_tool_images, _texts),
    "documents": (_pdfs,),
    "documents beside images and texts": (_pdfs, _images, _texts),
    "audio beside texts": (_audio, _texts),
}


@pytest.mark.parametrize("name", FLEETS)
def test_after_some_answers_each_first_prompt_is_estimated_within_a_quarter(name: str) -> None:
    fleet, kinds = CountingFleet(), FLEETS[name]
    ratios = []
    for number in range(20):
        for kind in kinds:
            key, path, body, tokens = kind(number)
            ratios.append(fleet.turn(body, key=key, prompt=tokens, path=path))
    assert all(0.75 < ratio < 1.25 for ratio in ratios[len(ratios) // 2 :]), [round(ratio, 2) for ratio in ratios]
    assert 0.1 < ratios[0] < 10, "the very first one is no more than ten times wrong"


def _screenshots(turns: int, *, kept: int) -> Iterator[tuple[dict[str, object], int]]:
    """An agent that looks at its screen. Only the newest `kept` images stay in its history."""
    for turn in range(turns):
        messages: list[object] = [
            {"role": "system", "content": text(5_000, "system")},
            {"role": "user", "content": text(100, "task")},
        ]
        tokens = 5_100
        for past in range(turn):
            messages.append({"role": "assistant", "content": text(40, past)})
            is_kept = past >= turn - kept
            messages.append({"role": "user", "content": [_words(5, past), *([_image(past)] if is_kept else [])]})
            tokens += 45 + IMAGE_TOKENS * is_kept
        yield {"messages": messages}, tokens


@pytest.mark.parametrize("kept", [100, 3])
def test_an_agent_with_screenshots_is_estimated_within_a_quarter_also_if_old_ones_are_removed(kept: int) -> None:
    fleet = CountingFleet()
    ratios = [
        fleet.turn(body, key="agent", prompt=tokens, completion=40) for body, tokens in _screenshots(15, kept=kept)
    ]
    assert all(0.75 < ratio < 1.25 for ratio in ratios[5:]), [round(ratio, 2) for ratio in ratios]


def test_a_request_that_only_refers_to_a_conversation_is_as_large_as_the_conversation() -> None:
    fleet, contexts = CountingFleet(), {f"long-{number}": 20_000 for number in range(4)}
    ratios = []
    for turn in range(8):
        for key, tokens in contexts.items():
            body: dict[str, object] = {"input": text(25, (key, turn))}
            if turn == 0:
                body = {"input": text(tokens, key)}
            else:
                body["previous_response_id"] = f"resp_{key}_{turn - 1}"
            ratios.append(fleet.turn(body, key=key, prompt=tokens, completion=100, path=RESPONSES))
            contexts[key] = tokens + 125
        fleet.turn({"input": text(40, turn)}, key=f"small-{turn}", prompt=48, completion=20, path=RESPONSES)
    assert all(0.75 < ratio < 1.25 for ratio in ratios[8:]), [round(ratio, 2) for ratio in ratios]
    assert fleet.gate.accounts.estimator.tokens_per_byte == pytest.approx(0.25, rel=0.15)
    assert fleet.gate.accounts.estimator.growth_tokens(0.0) == pytest.approx(125, rel=0.1)


def test_what_unknown_conversations_have_is_learned() -> None:
    """After a restart of the gateway, requests refer to responses that it does not know."""
    fleet = CountingFleet()
    ratios = [
        fleet.turn(
            {"input": text(25, number), "previous_response_id": f"resp_{number}"},
            key=f"a-{number}",
            prompt=20_000,
            path=RESPONSES,
        )
        for number in range(10)
    ]
    assert ratios[0] > 0.1
    assert all(0.75 < ratio < 1.25 for ratio in ratios[1:]), [round(ratio, 2) for ratio in ratios]


def test_a_count_that_no_text_can_have_teaches_nothing_about_other_texts() -> None:
    """It is possible for the model, so it is used for its own session."""
    fleet = CountingFleet()
    shared = {"role": "system", "content": text(5_000, "system")}

    def turn(key: str, prompt: int = 5_100) -> float:
        body = {"messages": [shared, {"role": "user", "content": text(100, key)}]}
        return fleet.turn(body, key=key, prompt=prompt)

    for number in range(5):
        turn(f"before-{number}")
    growth = fleet.gate.accounts.estimator.growth_tokens(1.0)
    turn("absurd", prompt=131_072)
    session = fleet.gate.sessions.get("absurd")
    assert session is not None
    assert session.footprint > 131_072
    assert turn("after") == pytest.approx(1.0, rel=0.1)
    assert fleet.gate.accounts.estimator.growth_tokens(1.0) == growth


def test_a_system_prompt_that_the_server_adds_does_not_make_long_texts_longer() -> None:
    fleet = CountingFleet()
    for number in range(30):
        fleet.turn({"messages": [{"role": "user", "content": text(10, number)}]}, key=f"s-{number}", prompt=610)
    assert fleet.turn({"messages": [{"role": "user", "content": text(25_000)}]}, key="long", prompt=25_600) < 4
