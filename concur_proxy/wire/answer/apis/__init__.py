"""How each API reports usage and the end of an answer: one file an API, all of one protocol (`wire.answer_dialect`)."""
