"""Reading numbers of a few bits each, the least significant bit first."""


class BitReader:
    """A cursor over the bits of a short header.

    >>> bits = BitReader(bytes([0b_101_1]))
    >>> bits.read(1), bits.read(3)
    (1, 5)
    """

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")
        self.spare = 8 * len(data)
        """Bits that are left; negative when more were read than there are."""

    def read(self, count: int) -> int:
        """Read one number."""
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        self.spare -= count
        return value

    def choose(self, *kinds: tuple[int, int]) -> int:
        """Read a number whose kind, an offset and a count of bits, is told by 2 bits."""
        offset, count = kinds[self.read(2)]
        return offset + self.read(count)
