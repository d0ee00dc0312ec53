"""What the name of a recording of a single note says: instrument, pitch, loudness, technique.

Read are the usual spellings, and the names of Studio-On-Line (``Strings/Violin/ordinario/
Vn-ord-A4-ff-1c-N``), Philharmonia (``violin_A4_1_forte_arco-normal``) and NSynth. A name that can
be read in two ways is refused rather than guessed.
"""

import re
from typing import NamedTuple

from common.cli import UserError
from common.music.instruments import FAMILIES, known_instrument
from common.music.names import PITCH_CLASSES, parse_note

ORDINARY = "ordinary"  # technique of a note that is played as usual
DYNAMICS = {  # MIDI velocities, evenly spaced as in notation programs
    "ppp": 16,
    "pp": 32,
    "p": 48,
    "mp": 64,
    "mf": 80,
    "f": 96,
    "ff": 112,
    "fff": 127,
}
GROUPS = ("instrument", "pitch", "velocity", "dynamics", "technique", "preset")
PITCH_SPELLINGS = "A4, A#4, As4, Bb3, a-4, or a MIDI number"

_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "s": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1}
_PITCH = re.compile(r"([a-g])(#|♯|sharp|s|♭|flat|b)?-?(\d)", re.IGNORECASE)
# in a name: not within a word, but followed by a velocity layer if need be, as in A4v12
_PITCH_WITHIN = re.compile(rf"(?<![^\W_])(?:{_PITCH.pattern})(?=v\d|[\W_]|$)(?!#)", re.IGNORECASE)
_MIDI = re.compile(r"(?<![^\W_])(?:midi|note|key|pitch)[ _-]?(\d{1,3})(?![^\W_])", re.IGNORECASE)
_VELOCITY = re.compile(
    r"(?<![^\W_])(?:vel(?:ocity)?[ _-]?(\d{1,3})|v(\d{3}))(?![^\W_])", re.IGNORECASE
)
_NUMBER = re.compile(r"(?<![^\W_])\d{1,3}(?![^\W_])")
_LOWEST, _LEAST_VELOCITY = 12, 16  # smaller numbers count takes or seconds
_DYNAMIC_WORDS = {
    "pianissimo": "pp",
    "mezzopiano": "mp",
    "mezzoforte": "mf",
    "forte": "f",
    "fortissimo": "ff",
}
_TECHNIQUES = {
    **dict.fromkeys(("ord", "ordinario", "ordinary", "normal", "arco", "sustain"), ORDINARY),
    **dict.fromkeys(("stacc", "staccato"), "staccato"),
    **dict.fromkeys(("pizz", "pizzicato"), "pizzicato"),
    **dict.fromkeys(("trem", "tremolo"), "tremolo"),
    **dict.fromkeys(("vib", "vibrato"), "vibrato"),
    **dict.fromkeys(("nonvib", "novib", "senzavib"), "non_vibrato"),
    **dict.fromkeys(("flatt", "flatterzunge", "flutter"), "flatterzunge"),
    **dict.fromkeys(("mute", "muted", "sord", "sordino"), "mute"),
    **dict.fromkeys(("spicc", "spiccato"), "spiccato"),
    "legato": "legato",
    "marcato": "marcato",
}
_FAMILY_FOLDERS = {*FAMILIES, "strings", "winds", "woodwinds", "woodwind", "keyboards", "plucked"}

# folders that say nothing
_CONTAINERS = {"audio", "sound", "sounds", "sample", "samples", "note", "notes", "recordings"}
_CONTAINERS |= {"wav", "flac", "aiff", "mp3", "ogg", "package", "mono", "stereo"}


class SampleName(NamedTuple):
    """What a name says; None for what it leaves open.

    Attributes:
        instrument: Known name in words, or what the pattern found.
        pitch: MIDI number.
        velocity: 1 to 127.
        technique: Such as "staccato".
        preset: Number of the preset; only names of NSynth and patterns have one.
        spelled: How the pitch was written: "note name", "MIDI number", "NSynth" or None.
    """

    instrument: str | None = None
    pitch: int | None = None
    velocity: int | None = None
    technique: str | None = None
    preset: int | None = None
    spelled: str | None = None


def parse_pitch(text: str) -> int:
    """MIDI number of a pitch, C4 being 60.

    Args:
        text: Letter, accidental (#, s, sharp, b, flat) and octave, or a number from 0 to 127.

    Raises:
        UserError: It is neither, or beyond the MIDI numbers.
    """
    match = _PITCH.fullmatch(text)
    if match:
        step, accidental, octave = match.groups()
        number = PITCH_CLASSES.index(step.upper()) + _ACCIDENTALS[(accidental or "").lower()]
        number += 12 * (int(octave) + 1)
    elif re.fullmatch(r"\d{1,3}", text):
        number = int(text)
    else:
        raise UserError(f"{text!r} is no pitch: write {PITCH_SPELLINGS}")
    if not 0 <= number <= 127:
        raise UserError(f"{text!r} is beyond the MIDI numbers 0 to 127")
    return number


def compile_pattern(text: str) -> re.Pattern:
    """Compile the regular expression of ``--pattern``.

    Raises:
        UserError: It is no regular expression, or has no or unknown named groups.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UserError(f"--pattern {text!r}: not a regular expression ({error})") from error
    unknown = sorted(set(pattern.groupindex) - set(GROUPS))
    if unknown or not pattern.groupindex:
        raise UserError(
            f"--pattern {text!r}: name its groups, as in (?P<pitch>...), after "
            f"{', '.join(GROUPS)}" + (f"; not {', '.join(unknown)}" if unknown else "")
        )
    return pattern


def read_name(
    name: str,
    pattern: re.Pattern | None = None,
    dynamics: dict = DYNAMICS,
    *,
    needs_pitch: bool = True,
    of_one_instrument: bool = False,
) -> SampleName:
    """Read the name of a recording.

    Args:
        name: Path below the folder of recordings, with "/" and without suffix.
        pattern: Compiled regular expression whose named groups (``GROUPS``) are found in the name;
            what it leaves open is read as usual.
        dynamics: Dict from dynamics to velocities.
        needs_pitch: Whether an ambiguous pitch is an error.
        of_one_instrument: Whether the folder of recordings is that of one instrument; then the
            folders below it are techniques.

    Returns:
        ``SampleName``.

    Raises:
        UserError: The pattern is not found, what it finds is no such thing, or the name can be read
            in two ways.
    """
    given = {}
    if pattern is not None:
        match = pattern.search(name)
        if match is None:
            raise UserError("does not match --pattern")
        given = {key: value for key, value in match.groupdict().items() if value}
    *folders, stem = name.split("/")
    note = parse_note(stem)
    if note is not None and not given:
        return SampleName(note.instrument, note.pitch, note.velocity, None, note.preset, "NSynth")
    pitch, spelled, rest = None, None, stem
    if "pitch" in given:
        pitch, spelled = parse_pitch(given["pitch"]), "pattern"
    elif needs_pitch:
        pitch, spelled, rest = _find_pitch(stem)
    return SampleName(
        instrument=given.get("instrument") or _find_instrument(folders, stem),
        pitch=pitch,
        velocity=_given_velocity(given, dynamics) or _find_velocity(rest, folders, dynamics),
        technique=_slug(given["technique"])
        if "technique" in given
        else _technique(folders, stem, of_one_instrument),
        preset=_number(given, "preset", 0, 999),
        spelled=spelled,
    )


def _find_pitch(stem):
    """Pitch in a name, how it is spelled, and the name without it: (None, None, stem) if none."""
    for pattern, spelled in ((_PITCH_WITHIN, "note name"), (_MIDI, "MIDI number")):
        found = list(pattern.finditer(stem))
        texts = [match[0] if spelled == "note name" else match[1] for match in found]
        if len({parse_pitch(text) for text in texts}) > 1:
            raise UserError(
                f"names several pitches ({', '.join(texts)}); tell them apart by --pattern"
            )
        if found:
            at = found[-1]
            return parse_pitch(texts[0]), spelled, f"{stem[: at.start()]} {stem[at.end() :]}"
    bare = _NUMBER.findall(_VELOCITY.sub(" ", stem))
    if len(bare) > 1:
        raise UserError(
            f"has several numbers ({', '.join(bare)}), of which one may be its pitch; tell them "
            "apart by --pattern"
        )
    if bare and _LOWEST <= int(bare[0]) <= 127:
        return int(bare[0]), "MIDI number", stem.replace(bare[0], " ")
    return None, None, stem


def _find_velocity(rest, folders, dynamics):
    """Velocity by number or dynamics in a name without its pitch, or by a folder's dynamics."""
    found = _VELOCITY.search(rest)
    if found:
        number = int(found[1] or found[2])
        return number if 1 <= number <= 127 else None
    words = [_word(token) for token in _tokens(rest)]
    # "piano" is loudness only where it cannot be the instrument, which comes first
    words = ["p" if word == "piano" and place else word for place, word in enumerate(words)]
    for text in (*reversed(words), *(_word(folder) for folder in reversed(folders))):
        if text in dynamics:
            return dynamics[text]
    numbers = [text for text in _NUMBER.findall(rest) if len(text) == 3 or int(text) > 15]
    numbers = [int(text) for text in numbers if 1 <= int(text) <= 127]
    return numbers[0] if len(numbers) == 1 else None


def _word(text):
    plain = re.sub(r"[\W_]+", "", text).lower()
    return _DYNAMIC_WORDS.get(plain, plain)


def _tokens(text):
    return [token for token in re.split(r"[\W_]+", text.replace("#", "s")) if token]


def _find_instrument(folders, stem):
    """Known instrument that the deepest folder names, or else words of the name."""
    for folder in reversed(folders):
        known = known_instrument(folder)
        if known:
            return known.name
    tokens = _tokens(_PITCH_WITHIN.sub(" ", stem))
    for count in (3, 2, 1):
        for start in range(len(tokens) - count + 1):
            known = known_instrument("".join(tokens[start : start + count]))
            if known:
                return known.name
    return None


def _technique(folders, stem, of_one_instrument):
    """Technique by the folder below the instrument's, or by a word of the name."""
    below = of_one_instrument or any(map(known_instrument, folders))
    for folder in reversed(folders):
        if known_instrument(folder) or folder.lower() in _FAMILY_FOLDERS:
            break
        slug = _slug(folder)
        named = below and slug not in _CONTAINERS
        if _word(folder) not in DYNAMICS and (named or slug in _TECHNIQUES.values()):
            return slug
    for token in _tokens(_PITCH_WITHIN.sub(" ", stem)):
        if token.lower() in _TECHNIQUES:
            return _TECHNIQUES[token.lower()]
    return None


def _slug(text):
    """A technique's name in lower case with "_"; ``ORDINARY`` and others in one spelling."""
    slug = "_".join(re.findall(r"[^\W_]+", text.lower()))
    return _TECHNIQUES.get(slug.replace("_", ""), slug)


def _number(given, name, low, high):
    if name not in given:
        return None
    if not re.fullmatch(r"\d+", given[name]) or not low <= int(given[name]) <= high:
        raise UserError(f"--pattern: {given[name]!r} is no {name} from {low} to {high}")
    return int(given[name])


def _given_velocity(given, dynamics):
    if "dynamics" not in given:
        return _number(given, "velocity", 1, 127)
    word = _word(given["dynamics"])
    if word not in dynamics:
        raise UserError(
            f"--pattern: {given['dynamics']!r} is none of the dynamics {', '.join(dynamics)}"
        )
    return dynamics[word]
