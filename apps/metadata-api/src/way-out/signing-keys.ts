import { hasFields, parsedJson } from '#model';

/** A key of this cluster that tokens are signed with. */
export interface TokenKey {
  readonly kid: string;
  readonly privatePem: string;
}

/** The key that signs now, and the one before while it is honoured. */
export interface TokenKeys {
  readonly current?: TokenKey;
  readonly previous?: TokenKey;
}

interface StoredKey extends TokenKey {
  readonly state: 'next' | 'current' | 'retired';
  readonly retiredAt?: number;
}

/** Reads Secret `isthmus-signing-keys` as the controller's leader writes it. @throws Error that never shows what it read */
export function tokenKeysFrom(text: string): TokenKeys {
  const keys = storedKeys(text);
  const current = keys.find(({ state }) => state === 'current');
  const [previous] = keys
    .filter(({ state }) => state === 'retired')
    .sort((a, b) => (b.retiredAt ?? 0) - (a.retiredAt ?? 0));
  return { ...(current === undefined ? {} : { current }), ...(previous === undefined ? {} : { previous }) };
}

function storedKeys(text: string): readonly StoredKey[] {
  const value = parsedJson(text);
  const isKey = (key: unknown): boolean => hasFields(key, ['kid', 'privatePem', 'state']);
  if (hasFields(value, [], { keys: isKey })) return value['keys'] as readonly StoredKey[];
  throw new Error('Secret isthmus-signing-keys, key keys.json: not a key ring of version 1');
}
