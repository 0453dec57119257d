const patienceMs = 20_000;

/** Looks again and again. @throws Error when it is not so within 20 s, which a busy machine may take */
export async function comesTrue(holds: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + patienceMs;
  while (!holds()) {
    if (Date.now() > giveUpAt) throw new Error(`not within ${patienceMs / 1000} s: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
