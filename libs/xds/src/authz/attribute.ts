/** Where an attribute can be told: on every chain, for HTTP requests only, or nowhere, since it is not understood. */
export type Told = 'always' | 'http' | 'never';

/** One attribute of a rule: the values that match, those that must not, and how one value is matched. */
export interface Attribute<Matcher> {
  /** Where it stands in the rule, for instance `from[0].source.principals`. */
  readonly at: string;
  readonly values: readonly string[];
  readonly notValues: readonly string[];
  readonly told: Told;
  /** Undefined for a value that cannot be read. */
  readonly match: (value: string) => Matcher | undefined;
}

/** What a policy's values are read with. */
export interface PolicyScope {
  /** Our own trust domain. */
  readonly trustDomain: string;
  /** Namespace of the policy. */
  readonly namespace: string;
}

/** How one field of a source or operation is matched, and its opposite, `not` and the field's name. */
export interface Field<Matcher> {
  readonly match: (value: string, scope: PolicyScope) => Matcher | undefined;
  readonly httpOnly?: true;
}

/** A matcher for every field but the opposites, which go along with theirs. */
export type Fields<Part, Matcher> = {
  readonly [Name in keyof Part as Name extends `not${string}` ? never : Name]-?: Field<Matcher>;
};

interface Given extends Pick<Attribute<unknown>, 'at' | 'values' | 'notValues'> {
  readonly scope: PolicyScope;
}

export function attribute<Matcher>(
  { match, httpOnly }: Field<Matcher>,
  { at, values, notValues, scope }: Given,
): Attribute<Matcher> {
  const told = httpOnly === true ? 'http' : 'always';
  return { at, values, notValues, told, match: (value) => match(value, scope) };
}

/** Something that stands in a rule and is not understood. */
export function notUnderstood<Matcher>(at: string): Attribute<Matcher> {
  return { at, values: [], notValues: [], told: 'never', match: () => undefined };
}

/** The attributes of a source or operation; whatever it has besides the known fields is not understood. */
export function attributesOf<Part extends object, Matcher>(
  given: Part,
  fields: Fields<Part, Matcher>,
  { at, scope }: { readonly at: string; readonly scope: PolicyScope },
): readonly Attribute<Matcher>[] {
  const lists = given as Readonly<Record<string, readonly string[] | undefined>>;
  const known = Object.entries<Field<Matcher>>(fields).map(([name, field]) => {
    const [values = [], notValues = []] = [lists[name], lists[opposite(name)]];
    return attribute(field, { at: `${at}.${name}`, scope, values, notValues });
  });
  return [...known, ...strangers<Matcher>(given, Object.keys(fields).flatMap(withOpposite), at)];
}

/** What an object holds besides the names that are known. */
export function strangers<Matcher>(given: object, known: readonly string[], at: string): readonly Attribute<Matcher>[] {
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  return unknown.map((name) => notUnderstood(at === '' ? name : `${at}.${name}`));
}

function withOpposite(name: string): readonly string[] {
  return [name, opposite(name)];
}

function opposite(name: string): string {
  return `not${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

/** The boolean algebra of one kind of matcher (principals or permissions). */
export interface Algebra<Matcher> {
  readonly any: Matcher;
  all(matchers: readonly Matcher[]): Matcher;
  some(matchers: readonly Matcher[]): Matcher;
  not(matcher: Matcher): Matcher;
}

/** Whether a chain carries HTTP, and what happens to attributes that it can't tell. */
export interface Setting {
  readonly action: 'ALLOW' | 'DENY';
  readonly http: boolean;
}

/**
 * All attributes together, or undefined when the rule can't hold here. What cannot be told (HTTP-only attributes on a TCP chain, what is
 * not understood, values that cannot be read) makes an ALLOW rule fall away (stricter) and falls out of a DENY rule (wider).
 */
export function conjunction<Matcher>(
  attributes: readonly Attribute<Matcher>[],
  algebra: Algebra<Matcher>,
  setting: Setting,
): Matcher | undefined {
  const given = attributes.filter(
    ({ told, values, notValues }) => told === 'never' || values.length + notValues.length > 0,
  );
  const tellable = given.filter(({ told }) => told === 'always' || (told === 'http' && setting.http));
  const whole = tellable.length === given.length && tellable.every((each) => unreadable(each).length === 0);
  if (!whole && setting.action === 'ALLOW') return undefined;
  const parts = tellable.flatMap(({ values, notValues, match }) => {
    const [matching, excluded] = [matchers(values, match), matchers(notValues, match)];
    // Without one of its values a list would match fewer: it goes as a whole.
    return [
      ...(matching.length > 0 && matching.length === values.length ? [algebra.some(matching)] : []),
      ...(excluded.length > 0 ? [algebra.not(algebra.some(excluded))] : []),
    ];
  });
  return parts.length === 0 ? algebra.any : algebra.all(parts);
}

/** Values of an attribute that cannot be read. */
export function unreadable<Matcher>({ values, notValues, match }: Attribute<Matcher>): readonly string[] {
  return [...values, ...notValues].filter((value) => match(value) === undefined);
}

function matchers<Matcher>(values: readonly string[], match: Attribute<Matcher>['match']): readonly Matcher[] {
  return values.flatMap((value) => {
    const matcher = match(value);
    return matcher === undefined ? [] : [matcher];
  });
}
