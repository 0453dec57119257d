/**
 * A pure reading of texts that come again at every look (a peer's few certificates and keys), done once for each. Keeps `most` results and
 * begins anew when they are more, so that nobody's flood of texts costs memory; what throws is not kept.
 */
export function readOnce<T>(most: number, read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const value = read(text);
    if (known.size >= most) known.clear();
    known.set(text, value);
    return value;
  };
}
