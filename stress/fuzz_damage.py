"""Intact files, and ways to damage them, for ``stress.fuzz``."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)
_LARGE = (2**40, 2**63 - 1, 2**63, 2**64 - 1)


class Sample(NamedTuple):
    """An intact file.

    Attributes:
        suffix: Suffix of its name.
        content: Bytes.
        structure: Slices of the content that describe the rest, such as headers; damage is done
            there.
    """

    suffix: str
    content: bytes
    structure: tuple = ()


class Target(NamedTuple):
    """A reader.

    Attributes:
        samples: Function without arguments that returns a list of ``Sample``.
        reader: Function without arguments that returns the reader, a function of a path. The reader
            raises one of ``DOCUMENTED``, or AssertionError if what it read is not as documented.
    """

    samples: Callable
    reader: Callable


def hdf5_structure(path):
    """Find the slices of an HDF5 file outside the arrays: headers, names, attributes, indices."""
    import h5py

    arrays = []

    def visit(_, item):
        if not isinstance(item, h5py.Dataset) or not item.id.get_storage_size():
            return
        if item.chunks is None:
            arrays.append((item.id.get_offset(), item.id.get_storage_size()))
        else:
            chunks = map(item.id.get_chunk_info, range(item.id.get_num_chunks()))
            arrays.extend((chunk.byte_offset, chunk.size) for chunk in chunks)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    slices, position = [], 0
    for offset, size in sorted(pair for pair in arrays if pair[0] is not None):
        slices.append(slice(position, offset))
        position = offset + size
    slices.append(slice(position, Path(path).stat().st_size))
    return tuple(part for part in slices if part.start < part.stop)


def damage(sample, rng, others=()):
    """Return a sample's content with one to eight faults, of kinds that often reveal errors.

    Args:
        sample: ``Sample``.
        rng: ``random.Random``.
        others: Samples from which parts may be taken.
    """
    content = bytearray(sample.content)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        _damage_once(content, sample, rng, others)
    return bytes(content)


def _damage_once(content, sample, rng, others):
    place = _place(content, sample, rng)
    size = rng.choice((1, 2, 4, 8))
    kind = rng.randrange(10)
    if kind == 0:
        content[place : place + 1] = bytes([(content + b"\0")[place] ^ 1 << rng.randrange(8)])
    elif kind in (1, 2):
        content[place : place + 1] = bytes([rng.randrange(256)])
    elif kind in (3, 4):
        number = rng.choice(_NUMBERS + _LARGE) % 256**size
        content[place : place + size] = number.to_bytes(size, rng.choice(("big", "little")))
    elif kind == 5:
        order = rng.choice(("big", "little"))
        number = int.from_bytes(content[place : place + size], order) + rng.choice((-1, 1, 8, 256))
        content[place : place + size] = (number % 256**size).to_bytes(size, order)
    elif kind == 6:
        del content[place : place + rng.choice((1, 4, 16, 256))]
    elif kind == 7:
        start = _place(content, sample, rng)
        content[place:place] = content[start : start + rng.choice((1, 4, 16, 256))]
    elif kind == 8:
        source = rng.choice(others).content if others and rng.random() < 0.3 else bytes(content)
        start, length = rng.randrange(len(source) + 1), rng.choice((4, 8, 16, 64, 256))
        content[place : place + length] = source[start : start + length]
    else:
        del content[place + 1 :]


def _place(content, sample, rng):
    if sample.structure and rng.random() < 0.9:
        part = rng.choice(sample.structure)
        return min(rng.randrange(part.start, part.stop), len(content))
    if rng.random() < 0.5:  # headers come first
        return rng.randrange(min(len(content), 256) + 1)
    return rng.randrange(len(content) + 1)
