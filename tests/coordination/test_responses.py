from concur_proxy.coordination.responses import MAX_RESPONSES, ResponsesInMemory, StoredResponse


async def test_a_response_is_found_by_its_id_with_its_engine_and_session() -> None:
    responses = ResponsesInMemory()
    responses.learn("resp_1", StoredResponse("http://one", "agent"))
    assert await responses.find("resp_1") == StoredResponse("http://one", "agent")
    assert await responses.find("resp_2") is None


async def test_the_oldest_response_is_forgotten_beyond_the_capacity() -> None:
    responses = ResponsesInMemory()
    for number in range(MAX_RESPONSES + 1):
        responses.learn(f"resp_{number}", StoredResponse("http://one"))
    assert await responses.find("resp_0") is None
    assert await responses.find("resp_1") == StoredResponse("http://one")
