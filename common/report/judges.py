"""Judges of instruments: which instrument a sound is heard as, and how far two sets of sounds are.

All work on the levels of mel bands of short excerpts (``mel_levels``), each at the same loudness.
"""

import numpy as np

from data import SAMPLE_RATE

EXCERPT_SECONDS = 2.0
_MELS, _HOP, _FFT = 64, 512, 2048
_RANGE = 60  # dB; levels further below an excerpt's loudest one are raised to that
_SILENCE = 1e-3  # root mean square; excerpts that are fainter are left out
_PATCH_COLUMNS = 16  # 0.19 s
_KEPT = 8  # cosine-transform coefficients of a patch that are kept along each axis


def mel_levels(audio: np.ndarray) -> np.ndarray:
    """Levels of the mel bands of excerpts of 2 s, one after the other.

    An incomplete excerpt at the end is not used, and neither are silent ones.

    Args:
        audio: (samples,) at ``data.SAMPLE_RATE``.

    Returns:
        (excerpts, 64, columns) float32 from -60 to 0: dB relative to the loudest level of each
        excerpt, in bands up to 11 kHz.
    """
    import librosa

    length = round(EXCERPT_SECONDS * SAMPLE_RATE)
    parts = np.asarray(audio, np.float32)
    parts = parts[: len(parts) // length * length].reshape(-1, length)
    parts = parts[np.sqrt(np.square(parts).mean(axis=1)) > _SILENCE]
    if not len(parts):
        return np.zeros((0, _MELS, length // _HOP + 1), np.float32)
    power = librosa.feature.melspectrogram(
        y=parts, sr=SAMPLE_RATE, n_fft=_FFT, hop_length=_HOP, n_mels=_MELS, fmax=SAMPLE_RATE / 4
    )
    relative = power / power.max(axis=(1, 2), keepdims=True)
    return (10 * np.log10(np.maximum(relative, 10 ** (-_RANGE / 10)))).astype(np.float32)


def texture_features(levels: np.ndarray) -> np.ndarray:
    """Describe how much excerpts move, whatever their spectrum: (excerpts, 128).

    For each mel band, the standard deviation of the level and its mean absolute change from column
    to column.
    """
    change = np.abs(np.diff(levels, axis=-1)).mean(axis=-1)
    return np.concatenate([levels.std(axis=-1), change], axis=1)


def cepstral_features(levels: np.ndarray) -> np.ndarray:
    """Describe the spectral envelope of excerpts and its course: (excerpts, 76).

    Means and standard deviations of the mel cepstral coefficients 2 to 20, and of their differences
    from column to column.
    """
    import librosa

    cepstra = librosa.feature.mfcc(S=levels, n_mfcc=20)[:, 1:]
    steps = np.diff(cepstra, axis=-1)
    parts = [cepstra.mean(axis=-1), cepstra.std(axis=-1), steps.mean(axis=-1), steps.std(axis=-1)]
    return np.concatenate(parts, axis=1)


FEATURES = {"texture": texture_features, "cepstra": cepstral_features}


class Judge:
    """Classifier of instruments: linear discriminant analysis with shrinkage (Ledoit, Wolf 2004).

    Args:
        features: Dict from the name of an instrument to features of its true sounds, (excerpts,
            features).

    Raises:
        ValueError: Fewer than two instruments with excerpts.
    """

    def __init__(self, features: dict[str, np.ndarray]) -> None:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        known = {name: rows for name, rows in features.items() if len(rows)}
        if len(known) < 2:
            raise ValueError("a judge needs true sounds of two instruments")
        # every instrument is equally likely, however much of it there is
        priors = np.full(len(known), 1 / len(known))
        analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors)
        names = np.repeat(list(known), [len(rows) for rows in known.values()])
        self._classifier = make_pipeline(StandardScaler(), analysis)
        self._classifier.fit(np.concatenate(list(known.values())), names)

    def heard_as(self, features: np.ndarray) -> dict[str, float]:
        """Share of excerpts that are heard as each instrument: dict from its name to the share.

        Args:
            features: (excerpts, features), at least one.
        """
        heard = self.names(features)
        return {str(name): float(np.mean(heard == name)) for name in self._classifier.classes_}

    def names(self, features: np.ndarray) -> np.ndarray:
        """Instrument that each excerpt is heard as: (excerpts,) of str."""
        return self._classifier.predict(features)


def patches(levels: np.ndarray) -> np.ndarray:
    """Describe patches of 0.19 s of excerpts: (excerpts, patches, 64) float32.

    The low coefficients of an orthonormal two-dimensional cosine transform of the levels, 8 along
    frequency and 8 along time: they keep the coarse spectrum and its changes.
    """
    from scipy.fft import dctn

    number = levels.shape[-1] // _PATCH_COLUMNS
    cut = levels[..., : number * _PATCH_COLUMNS]
    cut = np.moveaxis(cut.reshape(len(levels), _MELS, number, _PATCH_COLUMNS), 2, 1)
    coefficients = dctn(cut, axes=(-2, -1), norm="ortho")[..., :_KEPT, :_KEPT]
    return coefficients.reshape(len(levels), number, _KEPT**2).astype(np.float32)


def patch_distance(references: np.ndarray, estimates: np.ndarray) -> float:
    """Frechet distance of two sets of ``patches``: 0 if their means and covariances are equal.

    As the Frechet audio distance (Kilgour et al. 2019), with cosine-transform coefficients in place
    of a trained network's activations. Each coefficient is divided by its standard deviation in the
    references, and the distance by the number of coefficients: a shift of all means by one standard
    deviation gives 1.

    Args:
        references, estimates: (patches, coefficients) or (excerpts, patches, coefficients), at
            least two patches each.
    """
    references, estimates = (
        np.reshape(rows, (-1, rows.shape[-1])) for rows in (references, estimates)
    )
    spread = references.std(axis=0, dtype=np.float64)
    spread[spread == 0] = 1
    gaussians = []
    for rows in (references / spread, estimates / spread):
        gaussians += [rows.mean(axis=0), np.cov(rows, rowvar=False)]
    return frechet_distance(*gaussians) / len(spread)


def frechet_distance(
    mean: np.ndarray, covariance: np.ndarray, other_mean: np.ndarray, other_covariance: np.ndarray
) -> float:
    """Frechet distance of two Gaussians (Dowson and Landau 1982).

    ``|m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2))``.

    Args:
        mean, other_mean: (dimensions,).
        covariance, other_covariance: (dimensions, dimensions), symmetric and positive semidefinite.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # (C1 C2)^(1/2) has the trace of (C1^(1/2) C2 C1^(1/2))^(1/2), which is symmetric
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other_covariance @ root), 0)).sum()
    spread = np.trace(covariance) + np.trace(other_covariance) - 2 * shared
    return float(max(np.sum(np.square(mean - other_mean)) + spread, 0.0))
