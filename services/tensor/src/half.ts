/**
 * float16 (IEEE 754 binary16) and bfloat16 as raw bits in a Uint16Array. Encoding takes any JavaScript
 * number and rounds once, to nearest, ties to even, so a float64 mean is not rounded twice on its way.
 * Every NaN encodes as the quiet NaN without payload.
 */
const float64 = new Float64Array(1);
const words = new Uint32Array(float64.buffer);
const float32 = new Float32Array(1);
const float32Bits = new Uint32Array(float32.buffer);

/** 2^exponent for normal exponents, exactly; `**` is not promised to be exact. */
function powerOfTwo(exponent: number): number {
  words[0] = 0;
  words[1] = (exponent + 1023) << 20;
  return float64[0]!;
}

/** Adding and taking away 2^52 leaves a whole number, rounded half to even, for 0 <= x < 2^51. */
function roundHalfEven(x: number): number {
  return x + 4503599627370496 - 4503599627370496;
}

function encode(value: number, mantissaBits: number, bias: number): number {
  const infinity = (2 * bias + 1) << mantissaBits;
  if (Number.isNaN(value)) return infinity | (1 << (mantissaBits - 1));
  float64[0] = value;
  const high = words[1]!;
  const sign = (high >>> 31) << 15;
  const exponent = ((high >>> 20) & 0x7ff) - 1023;
  if (exponent > bias) return sign | infinity;
  // Subnormals share the smallest normal exponent; a carry out of the mantissa moves the exponent up,
  // and out of the largest exponent to infinity, by the layout of the format.
  const scale = Math.max(exponent, 1 - bias);
  const mantissa = roundHalfEven(Math.abs(value) * powerOfTwo(mantissaBits - scale));
  return sign | (((scale + bias - 1) << mantissaBits) + mantissa);
}

/** The nearest float16 of a number, as bits. 65520 and above become infinity. */
export function float32ToFloat16(value: number): number {
  return encode(value, 10, 15);
}

/** The nearest bfloat16 of a number, as bits. */
export function float32ToBfloat16(value: number): number {
  return encode(value, 7, 127);
}

/** The value of float16 bits, exactly. */
export function float16ToFloat32(bits: number): number {
  const exponent = (bits >>> 10) & 31;
  const mantissa = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * powerOfTwo(-24);
  return sign * (1024 + mantissa) * powerOfTwo(exponent - 25);
}

/** The value of bfloat16 bits, exactly. */
export function bfloat16ToFloat32(bits: number): number {
  float32Bits[0] = bits << 16;
  return float32[0]!;
}

let float16Values: Float32Array | undefined;

/** Decodes float16 bits into `out` (a new array by default; same length). 256 KiB table, made once. */
export function decodeFloat16(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  float16Values ??= Float32Array.from({ length: 65536 }, (_, i) => float16ToFloat32(i));
  const values = float16Values;
  for (let i = 0; i < bits.length; i++) out[i] = values[bits[i]!]!;
  return out;
}

/** Decodes bfloat16 bits into `out` (a new array by default; same length). */
export function decodeBfloat16(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  const raw = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) raw[i] = bits[i]! << 16;
  return out;
}

/** Encodes numbers as float16 bits into `out` (a new array by default; same length). */
export function encodeFloat16(values: ArrayLike<number>, out = new Uint16Array(values.length)): Uint16Array {
  for (let i = 0; i < values.length; i++) out[i] = encode(values[i]!, 10, 15);
  return out;
}

/** Encodes numbers as bfloat16 bits into `out` (a new array by default; same length). */
export function encodeBfloat16(values: ArrayLike<number>, out = new Uint16Array(values.length)): Uint16Array {
  for (let i = 0; i < values.length; i++) out[i] = encode(values[i]!, 7, 127);
  return out;
}
