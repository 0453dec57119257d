const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/** Value of a Kubernetes quantity (`250m`, `64Mi`, `1e3`) in its base unit: cores or bytes. */
export function parseQuantity(text: string): number {
  const match = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)$/.exec(text.trim());
  const factor = suffixes[match?.[2] ?? '?'];
  const value = Number(match?.[1]);
  if (factor === undefined || !Number.isFinite(value)) {
    throw new Error(
      `quantity ${JSON.stringify(text)} can't be read: write a number with one of m, k, M, G, Ki, Mi, Gi`,
    );
  }
  return value * factor;
}

/** Amount in units of the divisor, rounded up, as resourceFieldRef shows it; divisor `0` or none means 1. */
export function inUnits(amount: string, divisor: string | undefined): string {
  const unit = divisor === undefined || divisor === '0' ? 1 : parseQuantity(divisor);
  // The tiny subtraction keeps 0.1 / 0.001 from becoming 101.
  return String(Math.ceil(parseQuantity(amount) / unit - 1e-9));
}
