"""A laboratory without GPUs: an engine model, an emulated server, a simulator in virtual time, and the demo."""
