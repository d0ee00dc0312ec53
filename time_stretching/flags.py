"""Flags that several scripts of time stretching have."""


def add_onsets_flag(built, published=""):
    """Add ``--onsets``, "place" or "leave".

    Args:
        built: Parser.
        published: What the help says beside the default.
    """
    built.add_argument(
        "--onsets",
        choices=["place", "leave"],
        default="place",
        help="put what begins where it belongs, or leave it to the phase vocoder, as librosa does "
        f"({published}default: place)",
    )
