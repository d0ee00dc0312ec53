"""Write what the Python side computes, for the unit tests of the page's JavaScript.

    python -m web.tests.golden --output FOLDER

Each array is a file of float32 numbers, columns one after the other.
"""

import json
from pathlib import Path

import numpy as np

from common.audio.partials import PartialTracker, nearest_peaks, peak_offsets
from common.audio.phase import Codec, griffin_lim
from common.audio.resynthesis import METHODS
from common.audio.voices import Unison, Voices
from common.cli import parser, run
from common.files.audio import load_audio, resample, write_audio
from data import HOP, SAMPLE_RATE, amplitude_to_db, db_to_amplitude, forward_spectra
from pix2pix_timbre.features import CODEC
from pix2pix_timbre.recordings import convert_audio
from pix2pix_timbre.windows import OVERLAP, convert_image, window_weights

RECORDING = Path(__file__).parents[2] / "docs" / "example_input.ogg"
VOICES = Voices(4, 25, 0.3)
OTHER_RATES = 48000, 22050, 96000, 31111


def stand_in(frames):
    """What stands for a network: darker sounds, of which some begin later."""
    late = np.roll(frames, 3, axis=2)
    slope = np.linspace(1, 0.5, frames.shape[1], dtype=np.float32)[:, np.newaxis, np.newaxis]
    return np.float32(0.5) * (frames + late) * slope


def arrays():
    """Dict of arrays."""
    audio, _ = load_audio(RECORDING)
    audio = audio[: 14 * SAMPLE_RATE]
    short = audio[: SAMPLE_RATE + 77]
    found = {"audio": audio}
    for hop in (HOP, HOP // 2):
        spectra = forward_spectra(short, hop)
        found[f"spectra{hop}.real"], found[f"spectra{hop}.imaginary"] = spectra.real, spectra.imag
        wanted = stand_in(np.abs(spectra)[np.newaxis, ..., np.newaxis])[0, ..., 0]
        found[f"wanted{hop}"] = wanted
        search = griffin_lim(wanted, Codec(hop), wanted * np.exp(1j * np.angle(spectra)), 4)
        found[f"search{hop}.real"], found[f"search{hop}.imaginary"] = search.real, search.imag
        found[f"backward{hop}"] = Codec(hop).inverse(search)
    magnitude = np.abs(spectra)
    found["scale"] = amplitude_to_db(magnitude)
    found["unscaled"] = db_to_amplitude(found["scale"])
    level = found["scale"].T
    found["nearest"] = nearest_peaks(level)[0].T
    found["offsets"] = peak_offsets(level).T
    tracked = PartialTracker(HOP // 2).push(
        *(one[np.newaxis] for one in (wanted, magnitude, np.angle(spectra)))
    )[0]
    found["tracked.real"], found["tracked.imaginary"] = tracked.real, tracked.imag
    found["unison"] = Unison(VOICES, HOP // 2).push(wanted[np.newaxis])[0]
    found["weights"] = window_weights(OVERLAP)
    image = amplitude_to_db(np.abs(forward_spectra(audio)))
    found["image"], found["converted"] = image, convert_image(stand_in, image)
    for method in ("mixed", "griffinlim"):
        assert method in METHODS
        settings = {"predict": stand_in, "phase": method, "voices": VOICES}
        found[f"sound.{method}"] = convert_audio(audio, SAMPLE_RATE, **settings)
    for rate in OTHER_RATES:
        found[f"resampled.{rate}"] = resample(short, SAMPLE_RATE, rate)
    return found


def main(argv=None):
    """Run the script; return exit status 0."""
    built = parser(__doc__)
    built.add_argument("--output", type=Path, required=True, help="folder to write")
    args = built.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    for name, array in arrays().items():
        columns = np.moveaxis(array, -1, 0) if array.ndim == 2 else array
        np.ascontiguousarray(columns, "<f4").tofile(args.output / f"{name}.f32")
    (args.output / "codec.json").write_text(json.dumps(CODEC), encoding="utf-8")
    voices = {"detunings": VOICES.detunings.tolist(), "level": VOICES.level}
    (args.output / "voices.json").write_text(json.dumps(voices), encoding="utf-8")
    stereo = np.stack([np.linspace(-1, 1, 1001), np.linspace(1, -1, 1001) ** 3])
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        write_audio(args.output / f"{subtype}.wav", stereo, 48000, subtype)
    return 0


if __name__ == "__main__":
    run(main)
