"""Lazy, chunked arrays of large multi-frame DICOM studies.

Names are handed out when they are first used (SPEC 1), so that the import stays light.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
