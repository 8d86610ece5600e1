"""HTML pages to keep, for the demo and the report: each is one file that needs no other, and has no scripts."""
