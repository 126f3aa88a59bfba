// The normal distribution function and Gauss-Legendre quadrature.

/** Phi(x), by Marsaglia's series (2004, J. Stat. Software 11(4)). */
export function normalCdf(x) {
  if (Math.abs(x) > 8) return x > 0 ? 1 : 0;
  let sum = x;
  let term = x;
  for (let k = 3; sum !== sum + term; k += 2) sum += term *= (x * x) / k;
  return 0.5 + (sum * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
}

/** Nodes, in order, and weights of Gauss-Legendre quadrature between two ends. */
export function gaussLegendre(count, [low, high]) {
  return Array.from({ length: count }, (_, k) => {
    let x = -Math.cos((Math.PI * (k + 0.75)) / (count + 0.5));
    let slope;
    for (let step = 0; step < 50; step++) {
      let [before, now] = [1, x];
      for (let j = 2; j <= count; j++) {
        [before, now] = [now, ((2 * j - 1) * x * now - (j - 1) * before) / j];
      }
      slope = (count * (x * now - before)) / (x * x - 1);
      const change = now / slope;
      x -= change;
      if (Math.abs(change) < 1e-15) break;
    }
    const half = (high - low) / 2;
    return [low + half * (1 + x), (2 * half) / ((1 - x * x) * slope * slope)];
  });
}
