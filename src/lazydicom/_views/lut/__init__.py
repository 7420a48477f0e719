"""What stored values mean: rescaling, windows, palettes.

They are never applied unasked.

For others: `apply.apply_modality_lut`, `apply.apply_voi_lut`, `apply.apply_palette`,
`parameters.frame_columns`.
Read `apply.py` first.
"""
