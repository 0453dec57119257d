import { gunzipSync, gzipSync } from 'node:zlib';

/** Keys of a Secret under which one text stands: plain, which every version reads, or compressed. */
export interface TextKeys {
  readonly plain: string;
  readonly compressed: string;
}

/** A text up to this size is written plain; beyond it is compressed. */
const mostPlainBytes = 512 * 1024;
/** Kubernetes refuses Secrets beyond 1 MiB of data. */
const mostSecretBytes = 960 * 1024;
/** Far more than we write is no text of ours. */
const mostReadBytes = 16 * 1024 * 1024;

export type SecretData = Readonly<Record<string, string>>;

/** `data` of a Secret, base64 as the Kubernetes API takes it. Same text, same bytes. */
export function textAsData(text: string, { plain, compressed }: TextKeys): SecretData {
  const bytes = Buffer.from(text, 'utf8');
  return bytes.length <= mostPlainBytes
    ? { [plain]: bytes.toString('base64') }
    : { [compressed]: gzipSync(bytes).toString('base64') };
}

/** True when Kubernetes takes a Secret with this data. */
export function fitsSecret(data: SecretData): boolean {
  return Object.values(data).reduce((sum, value) => sum + (value.length * 3) / 4, 0) <= mostSecretBytes;
}

/** The value whose JSON stands in `data` of a Secret, plain or compressed; undefined when there is none. @throws Error that is `fault` when it is something else */
export function valueInData<T>(
  data: SecretData | undefined,
  keys: TextKeys,
  is: (value: unknown) => value is T,
  fault: string,
): T | undefined {
  const { [keys.plain]: plain, [keys.compressed]: compressed } = data ?? {};
  if (plain === undefined && compressed === undefined) return undefined;
  try {
    const bytes =
      compressed === undefined
        ? Buffer.from(plain ?? '', 'base64')
        : gunzipSync(Buffer.from(compressed, 'base64'), { maxOutputLength: mostReadBytes });
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (is(value)) return value;
  } catch {
    // What a parser says shows what it read, and names no Secret.
  }
  throw new Error(fault);
}
