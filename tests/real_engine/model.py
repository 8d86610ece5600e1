"""Makes a Qwen3 with random weights, its tokenizer and its chat template. Nothing is downloaded.

Runs as a script with the engine's own Python, which has transformers: `python model.py --size tiny FOLDER`. The text
that the model writes is meaningless. Its cost, caching and answers are those of any model of its size. Without FOLDER
it prints how many prompt tokens one core computes per second with this model.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

VOCABULARY: Final = 4096
CONTEXT_TOKENS: Final = 8192
END, BEGIN_TURN, END_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

CHAT_TEMPLATE: Final = """\
{%- if tools %}{{ '<|im_start|>system\n# Tools\n' }}{% for tool in tools %}{{ tool | tojson }}{{ '\n' }}{% endfor %}\
{{ '<|im_end|>\n' }}{% endif -%}
{%- for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}\
{%- if message.content is string %}{{ message.content }}\
{%- else %}{% for part in message.content or [] %}{{ part.text }}{% endfor %}{% endif %}\
{%- for call in message.tool_calls or [] %}{{ '<tool_call>' }}{{ call.function | tojson }}{{ '</tool_call>' }}\
{%- endfor %}{{ '<|im_end|>\n' }}{% endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size of a model."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int


SIZES: Final = {
    # for tests of the APIs
    "tiny": Size(hidden=128, layers=2, heads=4, kv_heads=2, feed_forward=256),
    # for timing: a prompt costs so much time on one core that caching pays. They have 72, 32, 15 and 6 million
    # parameters, because machines differ in speed by a factor of seven. `sized` changes their layers.
    "fleet": Size(hidden=768, layers=8, heads=12, kv_heads=4, feed_forward=3072),
    "fleet-middle": Size(hidden=512, layers=8, heads=8, kv_heads=2, feed_forward=2048),
    "fleet-small": Size(hidden=384, layers=6, heads=6, kv_heads=2, feed_forward=1536),
    "fleet-tiny": Size(hidden=256, layers=5, heads=4, kv_heads=2, feed_forward=1024),
}


def sized(name: str) -> Size:
    """The size of this name. `fleet-12` is `fleet` with 12 layers."""
    if name in SIZES:
        return SIZES[name]
    base, _, layers = name.rpartition("-")
    return replace(SIZES[base], layers=int(layers))


def write_model(folder: Path, size: Size) -> None:
    """Write the folder of the model in the format of the Hugging Face Hub."""
    tokenizer = _train_tokenizer()
    tokenizer.save_pretrained(folder)
    _make(size, "bfloat16", eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id).save_pretrained(
        folder
    )


def prompt_tokens_s(size: Size, dtype: str) -> float:
    """Prompt tokens that one core computes per second, from the fastest of five prompts."""
    import torch  # type: ignore[import-not-found]  # noqa: PLC0415 - in the engine's environment only

    torch.set_num_threads(1)
    model, tokens, seconds = _make(size, dtype), 1024, []
    with torch.inference_mode():
        for _ in range(5):
            began = time.perf_counter()
            model(torch.randint(VOCABULARY, (1, tokens)))
            seconds.append(time.perf_counter() - began)
    return tokens / min(seconds)


def _make(size: Size, dtype: str, **special: int) -> Any:  # noqa: ANN401 - a type of the engine's environment
    import torch  # noqa: PLC0415
    from transformers import Qwen3Config, Qwen3ForCausalLM  # type: ignore[import-not-found]  # noqa: PLC0415

    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=size.hidden,
        intermediate_size=size.feed_forward,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.kv_heads,
        head_dim=size.hidden // size.heads,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        **special,
    )
    torch.manual_seed(0)
    return Qwen3ForCausalLM(config).to(getattr(torch, dtype))


def _train_tokenizer() -> Any:  # noqa: ANN401 - a type of the engine's environment
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # type: ignore[import-not-found]  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END, BEGIN_TURN, END_TURN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_made_up_text(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END_TURN, pad_token=END, chat_template=CHAT_TEMPLATE
    )


def _made_up_text() -> Iterator[str]:
    """Made-up words, enough for the whole vocabulary."""
    random = Random(0)
    syllables = [consonant + vowel for consonant in "bcdfghjklmnprstvwz" for vowel in "aeiou"]
    words = ["".join(random.choices(syllables, k=random.randint(1, 4))) for _ in range(6000)]
    for _ in range(4000):
        yield " ".join(random.choices(words, k=12)) + "."


def main() -> None:
    """Write the folder that is named on the command line, or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=sized, default="tiny", help="default %(default)s; fleet-12: with 12 layers")
    parser.add_argument("--dtype", default="bfloat16", help="of the measurement (default %(default)s)")
    parser.add_argument("folder", type=Path, nargs="?", help="folder to write")
    given = parser.parse_args()
    if given.folder is None:
        print(prompt_tokens_s(given.size, given.dtype))
    else:
        write_model(given.folder, given.size)


if __name__ == "__main__":
    main()
