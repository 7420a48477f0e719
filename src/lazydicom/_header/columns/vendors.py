"""Private elements of vendors that columns are read from, and where a file has them.

No standard defines them: they count only where the public attribute is absent. A block of a
group is owned by who is named as its creator (PS3.5 section 7.8.1); archives move blocks, and
some drop the names, so there the manufacturer decides.
"""

from typing import Final, NamedTuple

from lazydicom._header import tags
from lazydicom._header.elements import Elements

_BLOCK: Final = 0x10
"""The first block of a group, which writers use."""
_LAST_BLOCK: Final = 0x40
_IN_BLOCK: Final = 0xFF
_GROUP: Final = 16
"""Bits of an element number."""


class PrivateElement(NamedTuple):
    """A private element, and whose it is."""

    creator: str
    manufacturer: str
    """How the manufacturer's name begins, in lower case."""
    tag: int
    """As if its block was the first one."""
    vr: str
    width: int = 1


_GE_B: Final = ("GEMS_PARM_01", "ge")
_GE_DIRECTION: Final = ("GEMS_ACQU_01", "ge")
_SIEMENS: Final = ("SIEMENS MR HEADER", "siemens")
_PHILIPS: Final = ("Philips Imaging DD 001", "philips")
_PHILIPS_MR: Final = ("Philips MR Imaging DD 001", "philips")
_UIH: Final = ("Image Private Header", "uih")

VENDOR_ELEMENTS: Final = {
    "ge_b_value": PrivateElement(*_GE_B, tags.GE_B_VALUE, "IS"),
    "ge_image_kind": PrivateElement(*_GE_B, tags.GE_IMAGE_KIND, "SS"),
    "ge_frequency": PrivateElement(*_GE_DIRECTION, tags.GE_DIRECTION_FREQUENCY, "DS"),
    "ge_phase": PrivateElement(*_GE_DIRECTION, tags.GE_DIRECTION_PHASE, "DS"),
    "ge_slice": PrivateElement(*_GE_DIRECTION, tags.GE_DIRECTION_SLICE, "DS"),
    "siemens_b_value": PrivateElement(*_SIEMENS, tags.SIEMENS_B_VALUE, "IS"),
    "siemens_direction": PrivateElement(
        *_SIEMENS, tags.SIEMENS_DIFFUSION_DIRECTION, "FD", 3
    ),
    "philips_b_value": PrivateElement(*_PHILIPS, tags.PHILIPS_B_VALUE, "FL"),
    "philips_x": PrivateElement(*_PHILIPS_MR, tags.PHILIPS_DIRECTION_RL, "FL"),
    "philips_y": PrivateElement(*_PHILIPS_MR, tags.PHILIPS_DIRECTION_AP, "FL"),
    "philips_z": PrivateElement(*_PHILIPS_MR, tags.PHILIPS_DIRECTION_FH, "FL"),
    "philips_scale_slope": PrivateElement(*_PHILIPS_MR, tags.PHILIPS_SCALE_SLOPE, "FL"),
    "uih_b_value": PrivateElement(*_UIH, tags.UIH_B_VALUE, "FD"),
    "uih_direction": PrivateElement(*_UIH, tags.UIH_DIFFUSION_DIRECTION, "FD", 3),
}
"""By the name of the column."""
SIEMENS_CSA: Final = PrivateElement(
    "SIEMENS CSA HEADER", "siemens", tags.SIEMENS_CSA_IMAGE_HEADER, "OB"
)
"""Holds a table of its own."""
SIEMENS_SLICE_TIMES: Final = PrivateElement(
    *_SIEMENS, tags.SIEMENS_MOSAIC_REF_ACQ_TIMES, "FD", 0
)
"""Of mosaics, a value for each tile, in ms."""


def private_tags(elements: Elements) -> dict[str, int]:
    """Return where the vendors' elements are in a file, by the name of the column."""
    blocks: dict[tuple[str, int], int] = {}
    places: dict[str, int] = {}
    for name, one in VENDOR_ELEMENTS.items():
        key = (one.creator, one.tag >> _GROUP)
        if key not in blocks:
            blocks[key] = _block_of(elements, one)
        if blocks[key]:
            places[name] = _in_block(one.tag, blocks[key])
    return {name: tag for name, tag in places.items() if elements.holds(tag)}


def private_tag(elements: Elements, element: PrivateElement) -> int | None:
    """Return where one private element is in a file, ``None`` where it is not."""
    block = _block_of(elements, element)
    tag = _in_block(element.tag, block)
    return tag if block and elements.holds(tag) else None


def creator_tags(elements: Elements) -> list[int]:
    """Return the tags that name creators in the groups of the vendors."""
    groups = {one.tag >> _GROUP for one in VENDOR_ELEMENTS.values()}
    return [
        tag
        for group in sorted(groups)
        for block in range(_BLOCK, _LAST_BLOCK)
        if elements.holds(tag := group << _GROUP | block)
    ]


def _block_of(elements: Elements, element: PrivateElement) -> int:
    """Return the block of a group that the creator owns, 0 for none."""
    group = element.tag >> _GROUP << _GROUP
    named = False
    for block in range(_BLOCK, _LAST_BLOCK):
        if elements.holds(group | block):
            named = True
            creator = elements.get(group | block, "LO")
            if creator and str(creator[0]).strip() == element.creator:
                return block
    if named or not elements.holds(element.tag):
        return 0
    makers = elements.get(tags.MANUFACTURER, "LO")
    maker = str(makers[0]).lower() if makers else ""
    return _BLOCK if maker.startswith(element.manufacturer) else 0


def _in_block(tag: int, block: int) -> int:
    """Return a tag with another block."""
    return tag & ~(_IN_BLOCK << 8) | block << 8
