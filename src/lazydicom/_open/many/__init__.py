"""Many files at once: listed, their headers read together, those that are none named.

It places no frame: that is the matter of the rooms below.

For others: `files.open_instances`, `files.tabulate_files`, `study.Study`,
`problems.Problem`. Read `files.py` first.
"""
