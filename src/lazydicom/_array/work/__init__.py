"""How frames are fetched and decoded at once, what that costs, and what is kept of it.

`parallel` runs jobs on all cores, `plan` says what a read will ask of a file, `cache` keeps
decoded frames. Native frames of local files come by `native_runs` (one read, by a `pair` of
threads where it is large), `native_blocks` (one after the other) and `in_order` (those, where
nobody said so beforehand). Nothing here knows an image. Read `parallel` first.
"""
