"""A model of an inference engine: continuous batching by steps over a paged prefix cache, timed by a cost model.

Pure: it plans a step and says how long it takes; whoever drives it lets that time pass, a server by sleeping and a
simulator by moving its clock. It models what admission control is about (who is in the batch, whose cache is evicted,
what must be prefilled again) and nothing of the tokens' meaning.
"""
