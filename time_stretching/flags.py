"""Flags that several scripts of time stretching share."""


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
        help="what happens to attacks: place puts them where they belong, leave "
        f"leaves them to the phase vocoder, as librosa does ({published}default: "
        "place)",
    )
