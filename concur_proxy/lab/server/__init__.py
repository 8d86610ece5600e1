"""`concur-proxy engine`: an emulated inference server, so that everything runs and can be tried without a GPU.

It speaks the OpenAI chat API and exports the metrics of vLLM or SGLang, over the engine model of
`concur_proxy.lab.engine`. Its answers mean nothing; when they come, and what they find in the cache, does.
"""
