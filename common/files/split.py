"""Choose the items that a training holds out, by their names."""

import hashlib


def is_held_out(piece: str, share: float) -> bool:
    """Whether a piece is held out, decided by a hash of its name.

    The answer is the same on every machine and for every instrument, and adding a piece does not
    change it for any other.

    Args:
        piece: Name of the piece.
        share: Share of all names that is held out, in [0, 1].
    """
    digest = hashlib.sha256(piece.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
