"""The gateway's own paths: health, metrics, admin API and live page.

Read `own_paths` first. `routes` puts the admin API on HTTP, `operations` answers its calls from a table, `calls` fills
that table, `schema` defines what the calls take and answer. `state` reads the state of everything, and `manual` applies
what operators set.
"""
