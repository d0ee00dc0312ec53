// Arrays of columns that grow at their end and are forgotten at their beginning.

export function joined(before, after) {
  if (!before || !before.length) return after;
  if (!after.length) return before;
  const both = new Float32Array(before.length + after.length);
  both.set(before);
  both.set(after, before.length);
  return both;
}

export function joinedSpectra(before, after) {
  if (!before) return after;
  return {
    real: joined(before.real, after.real),
    imaginary: joined(before.imaginary, after.imaginary),
  };
}

// A copy of the numbers from first to stop; the whole need not be kept for it.
export function partOfSpectra(spectra, first, stop) {
  return { real: spectra.real.slice(first, stop), imaginary: spectra.imaginary.slice(first, stop) };
}
