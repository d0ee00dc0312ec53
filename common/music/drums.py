"""Drum hits in seven classes, and the keys of General MIDI that play them."""

BANK = 128  # of the drum kits in SoundFonts
HIT_SECONDS = 2.0
CLASSES = {  # class -> keys of General MIDI level 1
    "clap": (39,),
    "cowbell": (56,),
    "crash_or_ride": (49, 51, 52, 53, 55, 57, 59),
    "hat": (42, 44, 46),
    "kick": (35, 36),
    "snare": (38, 40),
    "tom": (41, 43, 45, 47, 48, 50),
}
