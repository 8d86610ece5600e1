"""A prompt as a chain of segments, as the conversation tree knows it: hashes and sizes, no content."""

import struct

import msgspec

HASH_BYTES = 8
SIZE_BYTES = 4
MOST_INPUTS = 8
"""A prompt seldom adds more answers to the one before."""


class Chain(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The segments of a prompt, in the order in which the engine reads them: tools, system prompt, then each message.

    Two prompts have the same first n segments exactly if their n-th hashes are equal.
    """

    hashes: bytes
    """`HASH_BYTES` for each segment: a hash of scope, model, and all segments up to and including this one. The scope
    is the client's credential, so prompts of different clients never match.
    """
    sizes: bytes
    """`SIZE_BYTES` for each segment, little-endian: the size of its text in bytes of UTF-8, without media."""
    media: tuple[int, ...] = ()
    """The index of the segment for each image, audio clip or document, in order."""
    head: int = 0
    """How many of the first segments are tools and system prompt. They are no part of the conversation."""
    continues: bool = False
    """Whether the prompt begins with an earlier response that the request only refers to (`previous_response_id`,
    threads). The segments are then only what comes after it.
    """
    inputs: bytes = b""
    """`HASH_BYTES` for each of the last `MOST_INPUTS` places where the model answered or is to answer: a hash of all
    messages before it that the model has not written. They stay the same if the client changes earlier answers, such as
    by leaving out their reasoning.
    """

    def __len__(self) -> int:
        return len(self.hashes) // HASH_BYTES

    def hash_at(self, index: int) -> bytes:
        """The hash of everything up to and including segment `index`."""
        return self.hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES]

    def text_from(self, start: int, count: int | None = None) -> tuple[int, int]:
        """The bytes of text and the number of media items in `count` segments from `start` on; None: in all of them."""
        end = len(self) if count is None else start + count
        text = total(self.sizes[start * SIZE_BYTES : end * SIZE_BYTES])
        return text, sum([start <= index < end for index in self.media]) if self.media else 0


def total(sizes: bytes) -> int:
    """The sum of sizes as `Chain.sizes` has them."""
    return sum(struct.unpack(f"<{len(sizes) // SIZE_BYTES}I", sizes))
