"""How frames are fetched and decoded at once, what that costs, and what is kept of it.

`parallel` runs jobs on all cores, `plan` says what a read will ask of a file, `cache` keeps
decoded frames. Nothing here knows an image. Read `parallel` first.
"""
