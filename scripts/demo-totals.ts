/** Cases of a stage that passed and that did not. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
}

const broken: Totals = { passed: 0, failed: 1 };

/**
 * The demo's own steps are cases too: its last line is `{"ok":…,"steps":[{"name","ok","ms"}]}`. A demo that ends with another code than 0, or
 * does not say of itself that it held, has failed even where each step that it came to did not.
 */
export function demoTotals(exitCode: number, lastLine: string): Totals {
  try {
    const { ok, steps } = JSON.parse(lastLine) as { ok?: unknown; steps: readonly { ok: boolean }[] };
    const failed = steps.filter((step) => !step.ok).length;
    const held = exitCode === 0 && ok === true && steps.length > 0;
    return { passed: steps.length - failed, failed: held ? failed : Math.max(failed, 1) };
  } catch {
    return broken;
  }
}
