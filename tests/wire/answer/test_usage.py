from concur_proxy.wire.answer.usage import Usage


def test_the_context_is_prompt_and_answer() -> None:
    assert Usage(prompt_tokens=120, completion_tokens=7).context_tokens == 127
