// Fourier transforms of 1024 complex numbers, by a Stockham radix-4 algorithm (no bit reversal).
// They are computed in double precision, so that two real signals can share one transform.

export const SIZE = 1024;

const QUARTER = SIZE / 4;
const cosines = Float64Array.from({ length: SIZE }, (_, k) => Math.cos((2 * Math.PI * k) / SIZE));
const sines = Float64Array.from({ length: SIZE }, (_, k) => Math.sin((2 * Math.PI * k) / SIZE));

const spareReal = new Float64Array(SIZE);
const spareImaginary = new Float64Array(SIZE);

function stage(inReal, inImaginary, outReal, outImaginary, count, stride) {
  const quarter = count / 4;
  for (let p = 0; p < quarter; p++) {
    const c1 = cosines[p * stride];
    const s1 = -sines[p * stride];
    const c2 = c1 * c1 - s1 * s1;
    const s2 = 2 * c1 * s1;
    const c3 = c1 * c2 - s1 * s2;
    const s3 = c1 * s2 + s1 * c2;
    for (let q = 0; q < stride; q++) {
      const from = q + stride * p;
      const to = q + stride * 4 * p;
      const aReal = inReal[from];
      const aImaginary = inImaginary[from];
      const bReal = inReal[from + QUARTER];
      const bImaginary = inImaginary[from + QUARTER];
      const cReal = inReal[from + 2 * QUARTER];
      const cImaginary = inImaginary[from + 2 * QUARTER];
      const dReal = inReal[from + 3 * QUARTER];
      const dImaginary = inImaginary[from + 3 * QUARTER];
      const sumReal = aReal + cReal;
      const sumImaginary = aImaginary + cImaginary;
      const leftReal = aReal - cReal;
      const leftImaginary = aImaginary - cImaginary;
      const otherReal = bReal + dReal;
      const otherImaginary = bImaginary + dImaginary;
      const rightReal = bReal - dReal;
      const rightImaginary = bImaginary - dImaginary;
      outReal[to] = sumReal + otherReal;
      outImaginary[to] = sumImaginary + otherImaginary;
      const firstReal = leftReal + rightImaginary;
      const firstImaginary = leftImaginary - rightReal;
      outReal[to + stride] = c1 * firstReal - s1 * firstImaginary;
      outImaginary[to + stride] = c1 * firstImaginary + s1 * firstReal;
      const secondReal = sumReal - otherReal;
      const secondImaginary = sumImaginary - otherImaginary;
      outReal[to + 2 * stride] = c2 * secondReal - s2 * secondImaginary;
      outImaginary[to + 2 * stride] = c2 * secondImaginary + s2 * secondReal;
      const thirdReal = leftReal - rightImaginary;
      const thirdImaginary = leftImaginary + rightReal;
      outReal[to + 3 * stride] = c3 * thirdReal - s3 * thirdImaginary;
      outImaginary[to + 3 * stride] = c3 * thirdImaginary + s3 * thirdReal;
    }
  }
}

// Replaces 1024 complex numbers, two Float64Arrays, by their transform.
export function transform(real, imaginary) {
  let from = [real, imaginary];
  let to = [spareReal, spareImaginary];
  for (let count = SIZE, stride = 1; count > 1; count /= 4, stride *= 4) {
    stage(from[0], from[1], to[0], to[1], count, stride);
    [from, to] = [to, from];
  }
  if (from[0] !== real) {
    real.set(from[0]);
    imaginary.set(from[1]);
  }
}

// The inverse, without the division by 1024.
export function inverse(real, imaginary) {
  transform(imaginary, real);
}
