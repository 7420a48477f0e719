"""What people see of an array: a table in a notebook, and small pictures of frames.

Nothing here is needed to read pixels. `html.array_html` makes the table, `picture` turns
values into grey levels and PNG. Read `html` first.
"""
