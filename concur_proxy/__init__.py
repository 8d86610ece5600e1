"""concur-proxy: admission control for fleets of LLM agents, before unmodified vLLM and SGLang servers."""
