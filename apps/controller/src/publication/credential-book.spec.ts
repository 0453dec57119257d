import { describe, expect, it } from '@jest/globals';
import { CredentialBook } from './credential-book.js';

describe('credentials of local readers', () => {
  const book = new CredentialBook();
  const ask = (secret?: Readonly<Record<string, string>>): string => book.credential('mesh', 'b', secret);

  it('are what the Secret holds, and the same until it shows them', () => {
    expect(ask({ b: 'kept' })).toBe('kept');
    const made = new CredentialBook();
    const first = made.credential('mesh', 'b', undefined);
    expect(first).toHaveLength(43);
    expect(made.credential('mesh', 'b', {})).toBe(first);
    expect(made.credential('mesh', 'c', {})).not.toBe(first);
  });

  it('are the same when somebody deleted the Secret', () => {
    expect(ask(undefined)).toBe('kept');
    expect(ask(undefined)).toBe('kept');
  });

  it('are others when their key was taken out, once', () => {
    const other = ask({});
    expect(other).not.toBe('kept');
    expect(ask({})).toBe(other);
    expect(ask({ b: other })).toBe(other);
  });
});
