"""Plan and carry out the import of recordings of single sounds into a library.

``plan_notes`` gives each recording the name of its note, ``import_note`` writes one;
``plan_classes`` and ``import_sound`` do the same for sounds without pitch in folders of classes.
"""

import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.audio import load_audio, peak, read_header, write_audio
from common.music.dataset import checksum
from common.music.instruments import file_name, known_instrument
from common.music.names import NoteName
from common.music.pitch import Check, Pitch, check_pitch, measure_pitch
from common.music.sample_names import DYNAMICS, ORDINARY, read_name
from common.music.samples import prepare_sample
from common.work.cluster import Cluster
from common.work.jobs import run_jobs

RELEASE_SECONDS = 0.5  # of a note that is cut


class Naming(NamedTuple):
    """How the names of recordings are read, and what holds where they say nothing.

    Attributes:
        instrument: Instrument of all recordings, in words; None to find it in folders and names.
        source: One of ``SOURCES``.
        pattern: Compiled regular expression with the groups of ``read_name``, or None.
        pitch: "name", "measure", or "either": measured where the name gives none.
        dynamics: Dict from dynamics to velocities.
        velocity: MIDI velocity, or "measure": by the level.
        technique: Name.
        folder: Name of the folder of recordings, which may be that of an instrument.
    """

    instrument: str | None = None
    source: str = "acoustic"
    pattern: re.Pattern | None = None
    pitch: str = "name"
    dynamics: dict = DYNAMICS
    velocity: int | str = 80
    technique: str = ORDINARY
    folder: str = ""


class Sound(NamedTuple):
    """What ``prepare_sample`` shall make of each recording.

    Attributes:
        rate: Hz.
        seconds: Largest length.
        level: Peak in dB of full scale, or None to keep the level.
    """

    rate: int
    seconds: float
    level: float | None


class Described(NamedTuple):
    """A recording and what is known about it before it is opened.

    Attributes:
        path: Path of the file.
        name: Path below the folder of recordings.
        instrument: As in files, ``violin_acoustic``.
        technique: Such as ``ORDINARY``.
        pitch, velocity: MIDI numbers.
        preset: Number, or None to choose one.
        check: ``Check`` of a pitch that was measured already, else None.
        found: Dict from "pitch" and "velocity" to how they were found.
    """

    path: Path
    name: str
    instrument: str
    technique: str
    pitch: int
    velocity: int
    preset: int | None
    check: Check | None
    found: dict


class Imported(NamedTuple):
    """Result of importing one recording.

    Attributes:
        entry: Dict for the field ``import`` of ``examples.json``; None if the note was left out.
        check: ``Check`` of its pitch; None for a sound of a class.
    """

    entry: dict | None
    check: Check | None


def describe_recordings(
    recordings: dict, naming: Naming, workers: int | Cluster
) -> tuple[list, list]:
    """Find out which note each recording holds.

    Args:
        recordings: Dict from name to path, as in ``Recordings``.
        naming: ``Naming``.
        workers: As in ``run_jobs``.

    Returns:
        ``(described, skipped)``: a list of ``Described``, and one of (path, reason).
    """
    named, described, skipped = {}, [], []
    of_one = bool(naming.instrument or known_instrument(naming.folder))
    for name, path in recordings.items():
        try:
            said = read_name(
                name.removesuffix(path.suffix),
                naming.pattern,
                naming.dynamics,
                needs_pitch=naming.pitch != "measure",
                of_one_instrument=of_one,
            )
            named[name] = said, _instrument(naming, said)
        except UserError as error:
            skipped.append((path, error))
    tasks = [
        (
            recordings[name],
            naming.pitch == "measure" or (naming.pitch == "either" and said.pitch is None),
            naming.velocity == "measure" and said.velocity is None,
        )
        for name, (said, _) in named.items()
    ]
    heard = run_jobs(_listen, [task for task in tasks if any(task[1:])], workers, "listening")
    heard = {path: (result, error) for (path, *_), result, error in heard}
    for name, (said, instrument) in named.items():
        path, check = recordings[name], None
        found = {"pitch": said.spelled, "velocity": "name"}
        pitch, velocity = None, said.velocity
        if path in heard:
            result, error = heard[path]
            if error is not None:
                skipped.append((path, error))
                continue
            pitch, level = result
            if level is not None:
                velocity, found["velocity"] = level, "measurement"
        if velocity is None:
            velocity, found["velocity"] = naming.velocity, "--velocity"
        number = said.pitch if naming.pitch != "measure" else None
        if number is None:
            if naming.pitch == "name":
                skipped.append((path, "its name gives no pitch; give --pitch either, or --pattern"))
                continue
            if pitch is None or not 0 <= round(pitch.pitch) <= 127:
                skipped.append((path, "no pitch can be heard in it"))
                continue
            number, found["pitch"] = round(pitch.pitch), "measurement"
            check = Check(pitch, pitch.pitch - number)
        technique = said.technique or naming.technique
        described.append(
            Described(
                path, name, instrument, technique, number, velocity, said.preset, check, found
            )
        )
    return described, skipped


def _instrument(naming, said):
    """Name in files of the instrument of a recording; ``UserError`` if that is not known."""
    if said.spelled == "NSynth" and naming.instrument is None:
        return said.instrument
    name = naming.instrument or said.instrument
    if name is None and known_instrument(naming.folder):
        name = naming.folder
    if name is None:
        raise UserError(
            "neither its name nor its folders name an instrument that the kit knows; give "
            "--instrument, or a group of --pattern"
        )
    known = known_instrument(name)
    if said.spelled != "NSynth" and said.instrument:
        other = known_instrument(said.instrument)
        if known and other and known != other:
            raise UserError(f"is of {other.name} by its name, not of {known.name}")
    try:
        return file_name(known.name if known else name, naming.source)
    except ValueError as error:
        raise UserError(f"--pattern: {error}") from error


def _listen(task):
    """Measure what a name does not say: a function for ``run_jobs``.

    Args:
        task: (path of the recording, whether to measure its pitch, whether to measure its level).

    Returns:
        ``Pitch`` and velocity, each None if not wanted, or if there is no pitch.
    """
    path, wants_pitch, wants_level = task
    audio, rate = load_audio(path)
    return (
        measure_pitch(audio, rate) if wants_pitch else None,
        velocity_of(audio) if wants_level else None,
    )


def velocity_of(audio: np.ndarray) -> int:
    """Velocity by the level of a sound, on the curve of SoundFonts: 1 to 127.

    A peak at full scale is 127, and one 40 dB lower a tenth of it.
    """
    return max(1, min(127, round(127 * peak(audio) ** 0.5)))


def plan_notes(described: list, known: dict, take_presets: bool) -> list:
    """Choose a preset for each recording, and so the name of its note.

    Each technique of an instrument has a preset of its own, the ordinary one the first. With
    ``take_presets``, so does each further recording of the same note.

    Args:
        described: List of ``Described``.
        known: Entries of ``examples.json``; their presets keep their techniques.
        take_presets: Whether a second recording of one note takes a further preset.

    Returns:
        List of (``Described``, ``NoteName``).

    Raises:
        UserError: Two recordings of one note, without ``take_presets``, or more than 1000 presets.
    """
    presets = _known_presets(known)
    owners = {}  # name of a note -> the recording that it is made of

    def is_free(one, name):
        """Whether a note is new, or the recording's own of an earlier run."""
        if str(name) in owners:
            return False
        return str(name) not in known or _is_made_of(known[str(name)], one)

    planned = []
    for one in sorted(described, key=lambda one: (one.technique != ORDINARY, one.technique)):
        own = presets[one.instrument].setdefault(one.technique, [])
        places = [one.preset] if one.preset is not None else own
        names = [NoteName(one.instrument, preset, one.pitch, one.velocity) for preset in places]
        name = next((name for name in names if is_free(one, name)), None)
        if name is None and names and (one.preset is not None or not take_presets):
            raise UserError(_twice(one, owners.get(str(names[0])), names[0]))
        if name is None:
            own.append(_free_preset(presets[one.instrument], one))
            name = NoteName(one.instrument, own[-1], one.pitch, one.velocity)
        owners[str(name)] = one.name
        planned.append((one, name))
    return planned


def kept_note(entry: dict | None, target: Path, one: Described, sound: Sound) -> Imported | None:
    """What an earlier run imported, if it would be the same again; else None.

    Args:
        entry: Entry of ``examples.json``, or None.
        target: Path of the note.
        one: ``Described``.
        sound: ``Sound``.
    """
    if entry is None or not target.is_file() or not _is_made_of(entry, one):
        return None
    done = entry["import"]
    if done.get("asked") != _asked(sound) or entry["technique"] != one.technique:
        return None
    pitch, tracker = done["measured_pitch"], done["measured_by"]
    if pitch is None:
        return Imported(done, Check(None, None))
    return Imported(done, Check(Pitch(pitch, tracker, 1.0), pitch - one.pitch))


def _asked(sound):
    """What an entry says about the settings, besides the rate, which all notes share."""
    return {"seconds": sound.seconds, "level": sound.level}


def _is_made_of(entry, one):
    """Whether an entry of ``examples.json`` describes the note of a recording."""
    return "import" in entry and entry["import"].get("sha256") == checksum(one.path)


def _known_presets(known):
    """Dict from instrument to a dict from technique to its presets, ascending."""
    presets = defaultdict(dict)
    for entry in known.values():
        instrument, _, number = entry["instrument_str"].rpartition("_")
        own = presets[instrument].setdefault(entry.get("technique", ORDINARY), [])
        if int(number) not in own:
            own.append(int(number))
    for techniques in presets.values():
        for own in techniques.values():
            own.sort()
    return presets


def _free_preset(techniques, one):
    taken = {number for own in techniques.values() for number in own}
    free = next(number for number in range(1001) if number not in taken)
    if free == 1000:
        raise UserError(f"{one.instrument}: more than 1000 techniques and takes; import fewer")
    return free


def _twice(one, owner, name):
    other = "a note that is there already" if owner is None else owner
    return (
        f"{one.name}: is {name}, and so is {other}; remove one of them, tell them apart by "
        "--pattern, or give --twice presets"
    )


def import_note(task: tuple) -> Imported:
    """Check the pitch of a recording and write its note: a picklable function for ``run_jobs``.

    Args:
        task: (path of the recording, path of the note, ``Described``, ``Sound``, strict). With
            ``strict``, a note whose pitch is off its name is not written.

    Returns:
        ``Imported``.

    Raises:
        UserError: The recording is silent.
        AudioFileError: It cannot be read.
    """
    source, target, one, sound, strict = task
    audio, rate = load_audio(source)
    sample = _prepare(source, audio, rate, sound, RELEASE_SECONDS, pad=True)
    check = one.check or check_pitch(audio, rate, one.pitch)
    if strict and check.agrees is False:
        Path(target).unlink(missing_ok=True)  # of an earlier run
        return Imported(None, check)
    write_audio(target, sample.audio, sound.rate)
    measured = check.measured
    return Imported(
        {
            **_origin(source, one.name),
            **sample.changes,
            "asked": _asked(sound),
            "pitch_from": one.found["pitch"],
            "velocity_from": one.found["velocity"],
            "measured_pitch": None if measured is None else round(measured.pitch, 2),
            "measured_by": None if measured is None else measured.tracker,
        },
        check,
    )


def _prepare(source, audio, rate, sound, release, **more):
    sample = prepare_sample(
        audio, rate, sound.rate, sound.seconds, release=release, level=sound.level, **more
    )
    if sample is None:
        raise UserError(f"{source}: is silent")
    return sample


def _origin(source, name):
    header = read_header(source)
    return {
        "file": name,
        "sha256": checksum(source),
        "rate": header.samplerate,
        "channels": header.channels,
    }


def plan_classes(recordings: dict, classes: dict | None, prefix: str) -> tuple[list, list]:
    """Choose class and name of each recording of sounds without pitch.

    Args:
        recordings: Dict from name to path, as in ``Recordings``.
        classes: Dict from class to a compiled regular expression that is searched in the name; the
            first that is found decides. None takes the first folder of the name.
        prefix: Put before the names, such as the name of a kit; "" for none.

    Returns:
        ``(planned, skipped)``: a list of (path, name, path of the output below the folder without
        suffix), and one of (path, reason).

    Raises:
        UserError: Two recordings would have the same name.
    """
    planned, skipped, owners = [], [], {}
    for name, path in recordings.items():
        folder, _, rest = name.partition("/")
        if classes is None:
            if not rest:
                skipped.append((path, "is in no folder of a class"))
                continue
            group = _slug(folder)
        else:
            group = next((group for group, found in classes.items() if found.search(name)), None)
            rest = name
        if group is None:
            skipped.append((path, "its name belongs to no class of --classes"))
            continue
        output = f"{group}/{'_'.join(filter(None, [prefix, _slug(rest)]))}"
        if output in owners:
            raise UserError(f"{path}: would be {output}, as {owners[output]} is; rename one")
        owners[output] = path
        planned.append((path, name, output))
    return planned, skipped


def _slug(text):
    """A name of letters, digits, "_", "-" and "." for a file."""
    slug = re.sub(r"[^\w.\-]+", "_", text).strip("._")
    return slug or "unnamed"


def import_sound(task: tuple) -> Imported:
    """Write a sound without pitch, its silent end removed: a picklable function for ``run_jobs``.

    Args:
        task: (path of the recording, path of the output, name, ``Sound``).

    Returns:
        ``Imported``.

    Raises:
        UserError: The recording is silent.
        AudioFileError: It cannot be read.
    """
    source, target, name, sound = task
    audio, rate = load_audio(source)
    sample = _prepare(source, audio, rate, sound, min(0.1, sound.seconds / 4), trim_end=True)
    write_audio(target, sample.audio, sound.rate)
    return Imported({**_origin(source, name), **sample.changes}, None)
