import { asError } from '#model';
import type { Key, Outcome, Phase, Reconciler, StatusWriter } from './reconciler.js';
import type { Result } from './result.js';

/**
 * Runs the four phases for one key. Once the object is read its status is written exactly once, whatever fails;
 * if `gather` throws there is nothing to write to, only an outcome. Never throws.
 */
export async function reconcileOnce<Input, Verdict extends { readonly next: Result }, Status>(
  reconciler: Reconciler<Input, Verdict, Status>,
  writeStatus: StatusWriter<Input, Status>,
  key: Key,
  signal: AbortSignal,
): Promise<Outcome> {
  const gathered = await attempt(() => reconciler.gather(key, signal));
  if ('error' in gathered) return failed('gather', gathered.error);
  const input = gathered.value;
  if (input === undefined) return { kind: 'gone' };
  const decided = await attempt(() => reconciler.decide(input));
  const verdict = 'value' in decided ? decided.value : undefined;
  const applied = verdict === undefined ? undefined : await attempt(() => reconciler.apply(verdict, signal));
  const fault = firstFault(decided, applied);
  const written = await attempt(() => writeStatus(input, reconciler.status(input, verdict, fault?.error), signal));
  if (fault !== undefined) return failed(fault.phase, fault.error);
  if ('error' in written) return failed('status', written.error);
  if (verdict === undefined) return failed('decide', new Error('decide gave no verdict'));
  return { kind: 'finished', next: verdict.next };
}

type Attempt<T> = { readonly value: T } | { readonly error: Error };

async function attempt<T>(run: () => T | Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await run() };
  } catch (cause) {
    return { error: asError(cause) };
  }
}

function firstFault(
  decided: Attempt<unknown>,
  applied: Attempt<unknown> | undefined,
): { readonly phase: Phase; readonly error: Error } | undefined {
  if ('error' in decided) return { phase: 'decide', error: decided.error };
  if (applied !== undefined && 'error' in applied) return { phase: 'apply', error: applied.error };
  return undefined;
}

function failed(phase: Phase, error: Error): Outcome {
  return { kind: 'failed', phase, error };
}
