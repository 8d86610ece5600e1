import pytest

from concur_proxy.wire.api_shape import ApiShape, shape_of_path


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/chat/completions", ApiShape.OPENAI),
        ("/v1/completions", ApiShape.OPENAI),
        ("/tokenize", ApiShape.OPENAI),
        ("/v1/responses", ApiShape.RESPONSES),
        ("/v1/responses/resp_1/cancel", ApiShape.RESPONSES),
        ("/v1/messages", ApiShape.ANTHROPIC),
        ("/v1/messages/count_tokens", ApiShape.ANTHROPIC),
        ("/generate", ApiShape.SGLANG),
        ("/inference/v1/generate", ApiShape.OPENAI),
        ("/nothing/of/the/kind", ApiShape.OPENAI),
    ],
)
def test_a_path_tells_its_api(path: str, shape: ApiShape) -> None:
    assert shape_of_path(path) is shape
