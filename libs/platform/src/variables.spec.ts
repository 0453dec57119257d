import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { Secret } from './secret.js';
import {
  ConfigFaultsError,
  domain,
  flag,
  listOf,
  oneOf,
  optional,
  port,
  readVariables,
  required,
  secret,
  text,
  wholeNumber,
  withDefault,
} from './variables.js';
import type { Reader } from './variables.js';

describe('readVariables', () => {
  const spec = {
    NAME: required(domain),
    PORT: withDefault(port, 8080),
    DATABASE_URL: optional(secret),
    HOSTS: withDefault(listOf(text), []),
  };

  it('gives typed, frozen values and defaults', () => {
    const values = readVariables(spec, {
      NAME: 'a.example',
      HOSTS: 'x, y,',
      DATABASE_URL: 'postgres://u:p@h/d',
      OTHER: '1',
    });
    expect(values).toMatchObject({ NAME: 'a.example', PORT: 8080, HOSTS: ['x', 'y'] });
    expect(values.DATABASE_URL?.reveal()).toBe('postgres://u:p@h/d');
    expect(Object.isFrozen(values)).toBe(true);
    expect(JSON.stringify(values)).not.toContain('postgres://');
  });

  it('lists every fault at once, with the variable', () => {
    const read = (): unknown => readVariables(spec, { PORT: 'http', NAME: ' ' });
    expect(read).toThrow(ConfigFaultsError);
    expect(read).toThrow(
      'configuration: 2 fault(s)\n  - NAME is not set\n  - PORT="http": expected a TCP port, 0 to 65535',
    );
  });

  it.each<[string, Reader<unknown>, string, unknown]>([
    ['port', port, '65535', 65535],
    ['port too large', port, '65536', undefined],
    ['port with sign', port, '-1', undefined],
    ['flag', flag, 'true', true],
    ['flag in words', flag, 'yes', undefined],
    ['number in range', wholeNumber(1, 9), '9', 9],
    ['number out of range', wholeNumber(1, 9), '10', undefined],
    ['choice', oneOf('a', 'b'), 'b', 'b'],
    ['no choice', oneOf('a', 'b'), 'c', undefined],
    ['domain', domain, 'alpha.example', 'alpha.example'],
    ['domain with slash', domain, 'a/b', undefined],
  ])('%s', (_name, read, given, expected) => {
    if (expected === undefined) expect(() => read(given)).toThrow('expected');
    else expect(read(given)).toBe(expected);
  });
});

describe('Secret', () => {
  it('shows itself nowhere', () => {
    const value = new Secret('hunter2');
    const shown = [String(value), `${value}`, JSON.stringify({ value }), inspect({ value }, { showHidden: true })];
    expect(shown.join()).not.toContain('hunter2');
    expect(value.reveal()).toBe('hunter2');
  });
});
