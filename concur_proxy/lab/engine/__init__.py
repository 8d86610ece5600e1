"""A model of an inference engine: continuous batching by steps over a paged prefix cache, timed by a cost model.

It is pure: it plans a step and returns how long the step takes. Its driver lets that time pass: the emulated server
sleeps, the simulator moves its clock. The model covers what matters to admission control: which requests are in the
batch, whose cache is evicted, and what must be prefilled again. The meaning of tokens is not modelled.
"""
