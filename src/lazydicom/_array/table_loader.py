"""The table of attributes beside an array: read when somebody asks for it, and kept."""

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np

from lazydicom._array.image import DicomImage
from lazydicom._bytes.quick_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazydicom._array.frame_table import FrameTable


@dataclass(slots=True, eq=False)
class FrameTableLoader:
    """Holds the table of the frames of some images; pickled, it reads them anew."""

    images: tuple[DicomImage, ...]
    read: "Callable[[tuple[DicomImage, ...]], FrameTable]"
    table: "FrameTable | None" = field(default=None)
    """``None`` until somebody asks."""

    def __call__(self) -> "FrameTable":
        """Return the table.

        Raises
        ------
        LazyDicomError
            If a header is read for it, and contradicts the standard.
        """
        if self.table is None:
            self.table = self.read(self.images)
        return self.table

    def take(self, images: Sequence[int]) -> "FrameTableLoader":
        """Return what loads the table of some of the images."""
        table = self.table
        if table is not None:
            table = table.take(np.flatnonzero(np.isin(table.image, images)))
        chosen = tuple(self.images[k] for k in images)
        return FrameTableLoader(chosen, self.read, table)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle without the table."""
        return (FrameTableLoader, (self.images, self.read))
