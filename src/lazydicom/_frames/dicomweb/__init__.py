"""Frames behind DICOMweb.

It is no client of everything: it asks for metadata and frames of one instance.

For others: `reader.open_dicomweb`.
Read `reader.py` first.
"""
