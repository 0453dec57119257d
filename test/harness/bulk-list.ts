import type { KubeClient } from '#kube';

/** Where the list stands: a kind that a peer may read and nobody else writes here. */
export const bulkPath = '/apis/networking.istio.io/v1alpha3/envoyfilters';
/** Size of the list as JSON, in MB: so many objects of a little more than one MB each. */
export const bulkMegabytes = 200;

/** Fills a real API server with a list too large to be held anywhere on its way. */
export async function createBulkList(client: KubeClient): Promise<void> {
  const numbers = Array.from({ length: bulkMegabytes }, (_unused, number) => number);
  await Promise.all(
    [0, 1, 2, 3].map(async (lane) => {
      for (const number of numbers.filter((n) => n % 4 === lane)) await createOne(client, number);
    }),
  );
}

async function createOne(client: KubeClient, number: number): Promise<void> {
  const path = '/apis/networking.istio.io/v1alpha3/namespaces/default/envoyfilters';
  const { status, body } = await client.request({ method: 'POST', path, body: JSON.stringify(bulky(number)) });
  if (status !== 201) throw new Error(`bulk-${number} was not created: ${status} ${String(body).slice(0, 200)}`);
}

function bulky(number: number): object {
  const value = { pad: 'x'.repeat(1_000_000) };
  return {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { namespace: 'default', name: `bulk-${number}` },
    spec: { configPatches: [{ applyTo: 'CLUSTER', patch: { operation: 'MERGE', value } }] },
  };
}

/** Runs something and tells, besides its result, by how many MiB a process was above its rest at most meanwhile. */
export async function peakMemory<T>(
  process: { memory(): number },
  rest: number,
  during: Promise<T>,
): Promise<readonly [result: T, mebibytes: number]> {
  let most = 0;
  const timer = setInterval(() => (most = Math.max(most, process.memory())), 50);
  try {
    return [await during, most - rest];
  } finally {
    clearInterval(timer);
  }
}

/** Reads a body in small steps for so long after it began to come, then leaves it; returns the bytes that were read. */
export async function readSlowly(body: AsyncIterable<Buffer>, milliseconds: number): Promise<number> {
  let size = 0;
  let end: number | undefined;
  for await (const chunk of body) {
    end ??= performance.now() + milliseconds;
    size += chunk.length;
    await new Promise((done) => setTimeout(done, 20));
    if (performance.now() > end) break;
  }
  return size;
}
