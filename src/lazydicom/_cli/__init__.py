"""The commands of the terminal, a file each; `cli.py` lists them.

A command opens what the others of `lazydicom` open, and prints technical attributes only.
`array_of` and `series_table` say which array or series a URL means, `debug` what becomes of
errors.

What is no part of it: anything that the functions of `lazydicom` do not do. Read `frames.py`
first: it is the shortest.
"""
