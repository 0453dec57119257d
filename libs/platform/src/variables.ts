import { Secret } from './secret.js';

/** Turns a variable's text into a value, or throws an `Error` whose message says what is expected. */
export type Reader<T> = (text: string) => T;

/** One variable: how to read it and what holds when it is not set (or empty). */
export interface Variable<T> {
  readonly read: Reader<T>;
  readonly whenUnset: { readonly kind: 'fault' } | { readonly kind: 'value'; readonly value: T };
}

export type VariableSpec = Readonly<Record<string, Variable<unknown>>>;
export type VariableValues<S extends VariableSpec> = {
  readonly [N in keyof S]: S[N] extends Variable<infer T> ? T : never;
};

/** Every wrong or missing variable of one start, in one message. */
export class ConfigFaultsError extends Error {
  override readonly name = 'ConfigFaultsError';

  constructor(readonly faults: readonly string[]) {
    super(`configuration: ${faults.length} fault(s)\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  }
}

export function required<T>(read: Reader<T>): Variable<T> {
  return { read, whenUnset: { kind: 'fault' } };
}

export function optional<T>(read: Reader<T>): Variable<T | undefined> {
  return { read, whenUnset: { kind: 'value', value: undefined } };
}

export function withDefault<T>(read: Reader<T>, value: T): Variable<T> {
  return { read, whenUnset: { kind: 'value', value } };
}

export const text: Reader<string> = (value) => value;

/** Host name, trust domain or the like: product resources allow `^[0-9a-zA-Z._-]+$`. */
export const domain: Reader<string> = (value) => {
  if (!/^[0-9a-zA-Z._-]+$/.test(value)) throw new Error('expected letters, digits, ".", "_" and "-" only');
  return value;
};

export const port: Reader<number> = (value) => {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number > 65_535) throw new Error('expected a TCP port, 0 to 65535');
  return number;
};

export const flag: Reader<boolean> = (value) => {
  if (value !== 'true' && value !== 'false') throw new Error('expected "true" or "false"');
  return value === 'true';
};

export function wholeNumber(least: number, most: number): Reader<number> {
  return (value) => {
    const number = Number(value);
    if (!/^-?\d+$/.test(value) || number < least || number > most) {
      throw new Error(`expected a whole number, ${least} to ${most}`);
    }
    return number;
  };
}

export function oneOf<T extends string>(...allowed: readonly T[]): Reader<T> {
  return (value) => {
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) throw new Error(`expected one of ${allowed.join(', ')}`);
    return found;
  };
}

/** A connection string or password; a fault never shows it. */
export const secret: Reader<Secret> = (value) => new Secret(value);

/** Comma-separated values, blanks around them ignored. */
export function listOf<T>(read: Reader<T>): Reader<readonly T[]> {
  return (value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map(read);
}

/** Log levels of pino. */
export const logLevel = oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent');

/**
 * Reads all variables of a program at once into one frozen value. Throws `ConfigFaultsError` that names every wrong or missing
 * variable, with its value unless it is a secret.
 */
export function readVariables<S extends VariableSpec>(
  spec: S,
  environment: Readonly<Record<string, string | undefined>>,
): VariableValues<S> {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries(spec)) {
    const given = environment[name]?.trim();
    if (given === undefined || given === '') {
      if (variable.whenUnset.kind === 'fault') faults.push(`${name} is not set`);
      else values[name] = variable.whenUnset.value;
      continue;
    }
    try {
      values[name] = variable.read(given);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      faults.push(`${name}=${JSON.stringify(given)}: ${why}`);
    }
  }
  if (faults.length > 0) throw new ConfigFaultsError(faults);
  return Object.freeze(values) as VariableValues<S>;
}
