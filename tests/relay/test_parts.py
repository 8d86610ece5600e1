from concur_proxy.relay.parts import MAX_RESPONSES, ResponseHomes


def test_a_response_s_engine_is_found_by_the_paths_that_name_it() -> None:
    homes = ResponseHomes()
    homes.learn("resp_1", "http://one")
    assert homes.engine_of("/v1/responses/resp_1") == "http://one"
    assert homes.engine_of("/v1/responses/resp_1/cancel") == "http://one"
    assert homes.engine_of("/v1/responses/resp_2") is None
    assert homes.engine_of("/v1/models/resp_1") is None


def test_the_oldest_response_is_forgotten_beyond_the_capacity() -> None:
    homes = ResponseHomes()
    for number in range(MAX_RESPONSES + 1):
        homes.learn(f"resp_{number}", "http://one")
    assert homes.engine_of("/v1/responses/resp_0") is None
    assert homes.engine_of("/v1/responses/resp_1") == "http://one"
