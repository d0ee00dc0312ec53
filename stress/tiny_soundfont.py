"""A SoundFont of a few kilobytes: one looped tone in one preset, so that tests need no download."""

import struct

import numpy as np

PERIOD = 100  # samples of one period of the tone
RATE = 44000  # Hz: the tone is A4, 440 Hz, exactly


def write_soundfont(
    path,
    *,
    partials=1,
    keys=(0, 127),
    velocities=(0, 127),
    bank=0,
    program=0,
    amplitude=0.5,
    attenuation=0,
):
    """Write a SoundFont 2.01 file.

    Args:
        path: File to write.
        partials: Number of partials of the tone, all equally loud; at most 49.
        keys: Lowest and highest MIDI number that sounds.
        velocities: Lowest and highest velocity that sounds.
        bank, program: Place of the only preset.
        amplitude: Peak of the tone, at most 1.
        attenuation: In tenths of a dB, as the format counts.

    Returns:
        The path.
    """
    phase = 2 * np.pi * np.arange(40 * PERIOD) / PERIOD
    # Schroeder's phases keep the peak of many partials low
    tone = sum(np.sin(k * phase + np.pi * k * k / partials) for k in range(1, partials + 1))
    samples = np.round(tone / np.abs(tone).max() * amplitude * 32767).astype("<i2")
    loop = (10 * PERIOD, 20 * PERIOD)
    generators = [
        (43, keys[0] | keys[1] << 8),  # keyRange, first as the format demands
        (44, velocities[0] | velocities[1] << 8),  # velRange, second
        (48, attenuation),  # initialAttenuation
        (54, 1),  # sampleModes: loop
        (58, 69),  # overridingRootKey
        (53, 0),  # sampleID, last
    ]
    info = _chunk(b"ifil", struct.pack("<HH", 2, 1)) + _chunk(b"isng", b"EMU8000\0")
    info += _chunk(b"INAM", b"tiny\0\0")
    # 46 zeros must follow each sample
    data = _chunk(b"smpl", samples.tobytes() + bytes(2 * 46))
    header = struct.pack(
        "<20sIIIIIBbHH", b"tone", 0, samples.size, *loop, RATE, 69, 0, 0, 1
    ) + struct.pack("<20sIIIIIBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)
    preset = struct.pack("<20sHHHIII", b"Tiny Tone", program, bank, 0, 0, 0, 0)
    preset += struct.pack("<20sHHHIII", b"EOP", 0, 0, 1, 0, 0, 0)
    tables = [
        _chunk(b"phdr", preset),
        _chunk(b"pbag", struct.pack("<4H", 0, 0, 1, 0)),
        _chunk(b"pmod", bytes(10)),
        _chunk(b"pgen", struct.pack("<HHHH", 41, 0, 0, 0)),  # instrument 0, then the end
        _chunk(b"inst", struct.pack("<20sH20sH", b"tone", 0, b"EOI", 1)),
        _chunk(b"ibag", struct.pack("<4H", 0, 0, len(generators), 0)),
        _chunk(b"imod", bytes(10)),
        _chunk(b"igen", b"".join(struct.pack("<HH", *g) for g in [*generators, (0, 0)])),
        _chunk(b"shdr", header),
    ]
    lists = [(b"INFO", info), (b"sdta", data), (b"pdta", b"".join(tables))]
    body = b"".join(_chunk(b"LIST", name + content) for name, content in lists)
    path.write_bytes(_chunk(b"RIFF", b"sfbk" + body))
    return path


def _chunk(name, content):
    return name + struct.pack("<I", len(content)) + content
