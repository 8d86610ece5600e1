from concur_proxy.relay.response_homes import ResponseHomes


def test_a_response_s_engine_is_found_by_the_paths_that_name_it() -> None:
    homes = ResponseHomes()
    homes.learn("resp_1", engine="http://one", session=None)
    assert homes.engine_of("/v1/responses/resp_1") == "http://one"
    assert homes.engine_of("/v1/responses/resp_1/cancel") == "http://one"
    assert homes.engine_of("/v1/responses/resp_2") is None
    assert homes.engine_of("/v1/models/resp_1") is None


def test_the_turn_after_a_response_belongs_to_its_session() -> None:
    homes = ResponseHomes()
    homes.learn("resp_1", engine="http://one", session="s")
    homes.learn("resp_2", engine="http://one", session=None)
    assert homes.session_after("resp_1") == "s"
    assert homes.session_after("resp_2") == "resp_2"
    assert homes.session_after("resp_from_before_a_restart") == "resp_from_before_a_restart"


def test_the_oldest_response_is_forgotten_beyond_the_capacity() -> None:
    homes = ResponseHomes()
    for number in range(ResponseHomes.CAPACITY + 1):
        homes.learn(f"resp_{number}", engine="http://one", session="s")
    assert homes.engine_of("/v1/responses/resp_0") is None
    assert homes.engine_of("/v1/responses/resp_1") == "http://one"
