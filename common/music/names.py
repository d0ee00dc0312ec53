"""Names of renderings and of notes, and what they say."""

import re


def pair_key(rendering):
    """Piece and variation of a rendering: what an origin and its target have in common."""
    return re.sub(r"@\d{3}$", "", rendering)


def preset_of(rendering):
    """Preset that plays a rendering: its number as three digits, "" for preset 0."""
    return rendering[len(pair_key(rendering)) :].lstrip("@")


def piece_of(rendering):
    """Piece of a rendering, whatever its variation and preset."""
    return pair_key(rendering).partition("~")[0]
