"""`concur-proxy engine`: an emulated inference server, to run and try everything without a GPU.

It speaks OpenAI's chat and Responses APIs and Anthropic's Messages API, and exports the metrics of vLLM or SGLang, on
top of the engine model in `concur_proxy.lab.engine`. The texts of its answers have no meaning; their timing and their
cache hits do.
"""
