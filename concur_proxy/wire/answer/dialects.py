"""The dialect for each API's answers. A new API is one file in `wire/answer/apis` and one row here."""

from collections.abc import Mapping
from types import MappingProxyType

from concur_proxy.wire.answer.apis.anthropic import AnthropicAnswers
from concur_proxy.wire.answer.apis.openai import OpenAIAnswers
from concur_proxy.wire.answer.apis.responses import ResponsesAnswers
from concur_proxy.wire.answer.apis.sglang import SGLangAnswers
from concur_proxy.wire.answer.dialect import AnswerDialect
from concur_proxy.wire.api_shape import ApiShape

ANSWER_DIALECTS: Mapping[ApiShape, AnswerDialect] = MappingProxyType(
    {
        ApiShape.OPENAI: OpenAIAnswers(),
        ApiShape.RESPONSES: ResponsesAnswers(),
        ApiShape.ANTHROPIC: AnthropicAnswers(),
        ApiShape.SGLANG: SGLangAnswers(),
    }
)
