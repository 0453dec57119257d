/** Longer texts are read every time: our own peers' certificates and keys are a tenth of it. */
const longestKept = 16_384;

/**
 * A pure reading of texts that come again at every look (a peer's few certificates and keys), done once for each. Keeps `most` results of texts
 * of ordinary length and begins anew when they are more, so that nobody's flood of texts costs more than some tens of MiB; what throws, or is
 * undefined, is not kept.
 */
export function readOnce<T>(most: number, read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const value = read(text);
    if (value === undefined || text.length > longestKept) return value;
    if (known.size >= most) known.clear();
    known.set(text, value);
    return value;
  };
}
