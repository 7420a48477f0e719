"""Where each chunk of an array lies in its files, and which codec decodes it there.

`plan` asks every image for the byte range of its frames, `codecs` names what decodes them in
kerchunk's and VirtualiZarr's words, `urls` what a file is called in a reference: no secrets.

What is no part of it: writing references (`_export.references`) and giving them to VirtualiZarr
(`virtual`). Read `plan.py` first.
"""
