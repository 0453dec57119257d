export type Stops = (() => Promise<unknown>)[];

/** Runs a bench; whatever it noted to be stopped is stopped, last first, also when the run is interrupted. */
export async function withStops<T>(work: (stops: Stops) => Promise<T>): Promise<T> {
  const stops: Stops = [];
  const stopEach = async (): Promise<void> => {
    for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) await stop().catch(() => undefined);
  };
  let stopping: Promise<void> | undefined;
  // An interruption makes the run fail as well: whichever comes second waits for the first.
  const stopAll = (): Promise<void> => (stopping ??= stopEach());
  // Not once: ^C comes from the terminal and again from the launcher.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => void stopAll().then(() => process.exit(130)));
  try {
    return await work(stops);
  } finally {
    await stopAll();
  }
}

/** Notes how to stop what is being started, so that an interruption in the middle leaves nothing behind. */
export function stoppedLater<T extends { stop(): Promise<unknown> }>(stops: Stops, starting: Promise<T>): Promise<T> {
  stops.push(async () => (await starting).stop());
  return starting;
}
