/** Members of a JSON or YAML object that nobody has looked at yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** True for an object each of whose named members is of its kind: a text, or a list of which every item passes. */
export function hasFields(
  value: unknown,
  texts: readonly string[],
  lists: Readonly<Record<string, (item: unknown) => boolean>> = {},
): value is Fields {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Fields;
  return (
    texts.every((name) => typeof fields[name] === 'string') &&
    Object.entries(lists).every(([name, passes]) => {
      const list = fields[name];
      return Array.isArray(list) && list.every(passes);
    })
  );
}

/** What JSON says; undefined where the text is none. What the parser would say is dropped: it shows what it read. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isText(value: unknown): value is string {
  return typeof value === 'string';
}
