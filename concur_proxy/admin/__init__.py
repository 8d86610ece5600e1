"""The gateway's own paths: health, metrics, admin API and live page.

Read `own_paths` first. `routes` puts the admin API on HTTP, and `operations` answers its calls from a table, which
`reading_calls` and `calls` fill. The `schema` modules define what the calls take and answer. `state` and `sessions`
read the state of everything, `history` keeps the last hour, and `manual` applies what operators set. `page` has the
files of the live page: plain JavaScript modules, one for each subject.
"""
