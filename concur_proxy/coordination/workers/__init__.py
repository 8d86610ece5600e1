"""The workers of one gateway act as one without a store: one of them leads, the others follow over unix sockets."""
