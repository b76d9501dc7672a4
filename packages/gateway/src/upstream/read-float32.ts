const zero = 48;
const nine = 57;
const minus = 45;
const point = 46;

/** Powers of ten up to the last one that a double holds exactly. */
const powersOfTen = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** More than the relative error of adding up and dividing so many digits in doubles. */
const slack = 2 ** -48;

/**
 * `Math.fround(Number(text))` for the text of a number that stands from `start` to `end`, without making that text: plain
 * digits are added up in doubles, and taken where all doubles so close to the sum are the same float32.
 */
export function readFloat32(bytes: Buffer, start: number, end: number): number {
  const first = bytes[start] === minus ? start + 1 : start;
  let sum = 0;
  let pointAt = -1;
  for (let at = first; at < end; at += 1) {
    const byte = bytes[at] as number;
    if (byte >= zero && byte <= nine) sum = sum * 10 + (byte - zero);
    else if (byte === point && pointAt < 0) pointAt = at;
    else return readSlowly(bytes, start, end);
  }
  const decimals = pointAt < 0 ? 0 : end - pointAt - 1;
  const digits = end - first - (pointAt < 0 ? 0 : 1);
  if (digits === 0 || digits >= powersOfTen.length) return readSlowly(bytes, start, end);
  const size = sum / (powersOfTen[decimals] as number);
  const nearest = Math.fround(size * (1 - slack));
  if (nearest !== Math.fround(size * (1 + slack))) return readSlowly(bytes, start, end);
  return first === start ? nearest : -nearest;
}

function readSlowly(bytes: Buffer, start: number, end: number): number {
  return Math.fround(end === start ? Number.NaN : Number(bytes.toString('latin1', start, end)));
}
