import { Refusal } from '../auth/refusal.js';
import { longestReviewBytes } from './decide-framing.js';
import type { AnyRequest } from './reply.js';
import type { HeaderField, RequestHead } from './request-head.js';

const bodyPatienceMs = 10_000;

/** The head of a request as it came: Node's own view joins and drops repeated headers. */
export function headOf(request: AnyRequest): RequestHead {
  const { rawHeaders, httpVersion } = request;
  const headers: HeaderField[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.push([String(rawHeaders[i]).toLowerCase(), String(rawHeaders[i + 1])]);
  }
  const head = { httpVersion, method: request.method ?? '', target: request.url ?? '', headers };
  return 'stream' in request ? { ...head, endsWithHeaders: request.stream.endAfterHeaders } : head;
}

/** Reads the small body of a review; throws `Refusal` when it is larger than stated or does not come. */
export async function readBody(request: AnyRequest): Promise<Uint8Array> {
  const late = setTimeout(
    () => request.destroy(new Refusal(400, 'body-late', 'the body did not come in time')),
    bodyPatienceMs,
  );
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > longestReviewBytes) throw new Refusal(413, 'body-too-large', 'the body is too large');
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(late);
  }
  return Buffer.concat(chunks);
}
