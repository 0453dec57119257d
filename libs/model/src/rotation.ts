import { isFields, isText, parsedJson } from './fields.js';

interface Member {
  readonly is: (value: unknown) => boolean;
  /** What it must be, in words. */
  readonly words: string;
}

type Members<T> = { readonly [Name in keyof T]-?: Member };

/** Members of what is written down of a rotation. */
export const rotationMember = {
  text: { is: isText, words: 'a text' },
  texts: { is: (value) => Array.isArray(value) && value.every(isText), words: 'a list of texts' },
  time: {
    is: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
    words: 'a time in milliseconds since 1970',
  },
} as const satisfies Readonly<Record<string, Member>>;

/**
 * How far a rotation has come, as the JSON text that stands beside its keys in their Secret says; no text says that none is under way. Every
 * member may be absent; one of another type is a fault, since keys are dropped by these times.
 * @throws Error with `key`, what is wrong and the remedy; it shows nothing of the text
 */
export function rotationIn<T extends object>(key: string, text: string, members: Members<T>): Partial<T> {
  if (text === '') return {};
  const fault = (what: string): Error =>
    new Error(`${key}: ${what}; remove the key, and what is under way begins anew`);
  const value = parsedJson(text);
  if (value === undefined) throw fault('not JSON');
  if (!isFields(value)) throw fault('no JSON object');
  const names = Object.keys(members) as (keyof T & string)[];
  const bad = names.find((name) => value[name] !== undefined && !members[name].is(value[name]));
  if (bad !== undefined) throw fault(`${bad} is not ${members[bad].words}`);
  return value as Partial<T>;
}
