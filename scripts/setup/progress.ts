/** Progress of long steps, told to whoever asked for the parts; nothing here prints. */

export interface Progress {
  /** The step, e.g. `kubernetes` or `envoy`. */
  readonly step: string;
  readonly text: string;
  /** Whole seconds since the step began. */
  readonly seconds: number;
}

export type OnProgress = (progress: Progress) => void;

const firstLineAfterMs = 2_000;
const nextLineAfterMs = 10_000;

/** Runs `work`; silent when it is quick, else a line after two seconds, one every ten, and one at the end.
 *  @param text what is going on, in the present participle */
export async function reporting<T>(
  onProgress: OnProgress,
  step: string,
  text: string,
  work: () => Promise<T>,
): Promise<T> {
  const started = performance.now();
  const seconds = (): number => Math.round((performance.now() - started) / 1000);
  const tell = (line: string): void => onProgress({ step, text: line, seconds: seconds() });
  let repeated: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    tell(`${text} …`);
    repeated = setInterval(() => tell(`${text} …`), nextLineAfterMs);
  }, firstLineAfterMs);
  try {
    const result = await work();
    if (performance.now() - started > firstLineAfterMs) tell(`${text}: done`);
    return result;
  } finally {
    clearTimeout(first);
    clearInterval(repeated);
  }
}
