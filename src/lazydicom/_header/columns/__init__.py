"""Attributes of many frames or files as columns, without a Dataset for each.

It does not decide what the columns mean: `_arrange` does.

For others: `functional_groups.functional_group_columns`, `column.Columns`,
`layout.follow_layout`.
Read `functional_groups.py` first.
"""
