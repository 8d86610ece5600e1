"""The before/after report: what was measured, what control would have saved, and the page and the text that say it."""
