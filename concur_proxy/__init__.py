"""concur-proxy: admission control for fleets of LLM agents, in front of unmodified vLLM and SGLang servers."""
