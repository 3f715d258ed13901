/** Chi-square statistic of counts against a uniform distribution. */
export function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** Chi-square statistic of counts against shares that are proportional to `weights`, all above 0. */
export function chiSquareOf(counts: readonly number[], weights: readonly number[]): number {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const scale = sum(counts) / sum(weights);
  return sum(
    counts.map((count, i) => (count - scale * (weights[i] ?? 0)) ** 2 / (scale * (weights[i] ?? 0))),
  );
}

/**
 * The value that the statistic of a uniform choice among `cells` exceeds with probability 0.001, by the
 * approximation of Wilson and Hilferty (1931); within 2 % of the tables from 3 degrees of freedom on.
 */
export function criticalChiSquare(cells: number): number {
  const degrees = cells - 1;
  const z = 3.0902;
  const share = 2 / (9 * degrees);
  return degrees * (1 - share + z * Math.sqrt(share)) ** 3;
}
