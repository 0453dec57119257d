/** One attribute of a rule: the values that match, those that must not, and how one value is matched. */
export interface Attribute<Matcher> {
  readonly values: readonly string[];
  readonly notValues: readonly string[];
  /** True when it can be told for HTTP requests only. */
  readonly httpOnly: boolean;
  readonly match: (value: string) => Matcher;
}

export function attribute<Matcher>(
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
  match: (value: string) => Matcher,
  httpOnly = false,
): Attribute<Matcher> {
  return { values: values ?? [], notValues: notValues ?? [], httpOnly, match };
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
 * All attributes together, or undefined when the rule can't hold here: on a TCP chain an HTTP-only attribute makes an ALLOW rule
 * fall away (stricter) and falls out of a DENY rule (wider).
 */
export function conjunction<Matcher>(
  attributes: readonly Attribute<Matcher>[],
  algebra: Algebra<Matcher>,
  setting: Setting,
): Matcher | undefined {
  const given = attributes.filter(({ values, notValues }) => values.length + notValues.length > 0);
  const tellable = given.filter(({ httpOnly }) => setting.http || !httpOnly);
  if (tellable.length < given.length && setting.action === 'ALLOW') return undefined;
  const parts = tellable.flatMap(({ values, notValues, match }) => [
    ...(values.length > 0 ? [algebra.some(values.map(match))] : []),
    ...(notValues.length > 0 ? [algebra.not(algebra.some(notValues.map(match)))] : []),
  ]);
  return parts.length === 0 ? algebra.any : algebra.all(parts);
}
