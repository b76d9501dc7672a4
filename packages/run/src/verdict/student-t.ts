/**
 * Returns the quantile of Student's t-distribution for a whole number of degrees of freedom.
 * @param probability from 0.5 to below 1
 * @source the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4, inverted by bisection; the error is below 1e-9
 */
export function studentQuantile(probability: number, degrees: number): number {
  let [low, high] = [0, 1];
  while (studentProbability(high, degrees) < probability) [low, high] = [high, 2 * high];
  while (high - low > 1e-10 * high) {
    const middle = (low + high) / 2;
    if (studentProbability(middle, degrees) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Returns the probability that a value of the distribution is at most `t`, for `t` of at least 0. */
function studentProbability(t: number, degrees: number): number {
  const angle = Math.atan(t / Math.sqrt(degrees));
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const isOdd = degrees % 2 === 1;
  let term = isOdd ? cosine : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let k = isOdd ? 3 : 2; k <= degrees - 2; k += 2) {
    term *= (cosine * cosine * (k - 1)) / k;
    sum += term;
  }
  const within = isOdd ? ((angle + sine * sum) * 2) / Math.PI : sine * sum; // P(|T| ≤ t)
  return (1 + within) / 2;
}
