"""How each API reports usage and the end of an answer: one file for each API. See `wire.answer.dialect`."""
