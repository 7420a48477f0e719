"""One file per codec family: everything that a codec is, as one value.

Each file checks a codestream against the header of the DICOM file, then calls the decoder of
imagecodecs. It is not a place for choosing between codecs, isolation or plugins: that is
`_decode.frame`. Only `_decode` enters; it uses `registry.CODECS`.

Another codec is one file that makes a value, a row in `registry.py`, and a row in the table
of transfer syntaxes. What codestreams say of themselves is read in `headers`. Read
`registry.py` first, then `jpeg_xl.py`, the shortest one.
"""
