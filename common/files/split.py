"""Which items are held out of a training, decided by their names."""

import hashlib


def is_held_out(piece, share):
    """Whether a piece belongs to the held-out share, decided by a stable hash of its name.

    The same on every machine and for every instrument; adding a piece moves no other.

    Args:
        piece: Name, as ``piece_of`` returns it.
        share: In [0, 1].
    """
    digest = hashlib.sha256(piece.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
