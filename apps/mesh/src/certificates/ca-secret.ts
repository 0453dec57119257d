import { randomBytes } from 'node:crypto';
import { ConflictError, pathFor, resources, type KubeClient } from '#kube';
import type { Secret } from '#istio-api';
import { names, type Clock } from '#model';
import { generateCa, loadCa, type CaFiles, type WorkloadCa } from '#trust';

/** A CA with the Secret it came from. */
export interface LoadedCa {
  readonly ca: WorkloadCa;
  readonly secretName: string;
  /** resourceVersion of the Secret: the same version holds the same CA. */
  readonly version: string;
}

export interface CaSecretOptions {
  readonly client: KubeClient;
  readonly rootNamespace: string;
  readonly trustDomain: string;
  readonly clock: Clock;
}

const files: readonly (keyof CaFiles)[] = ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem'];

/**
 * The workload CA: Secret `cacerts` in Istio's layout when the user plugged one in, else `isthmus-ca`, which is generated
 * once. Two replicas may start at the same moment: one creates, the other meets 409 and reads.
 */
export async function readOrCreateCa(options: CaSecretOptions): Promise<LoadedCa> {
  const existing = await readCa(options);
  if (existing !== undefined) return existing;
  try {
    await options.client.create<Secret>(generatedSecret(options));
  } catch (error) {
    const notThereYet = error instanceof ConflictError;
    if (!notThereYet) throw error;
  }
  const created = await readCa(options);
  if (created === undefined) {
    throw new Error(`Secret ${options.rootNamespace}/${names.caSecret} was created and is gone again: start anew`);
  }
  return created;
}

/** The plugged-in CA if there is one, else the generated one, else undefined. Throws when a Secret is there and unusable. */
export async function readCa(options: CaSecretOptions): Promise<LoadedCa | undefined> {
  return (await loaded(options, names.pluggedInCaSecret)) ?? (await loaded(options, names.caSecret));
}

async function loaded(options: CaSecretOptions, name: string): Promise<LoadedCa | undefined> {
  const { client, rootNamespace, clock } = options;
  const secret = await client.get<Secret>(pathFor(resources.secrets, { namespace: rootNamespace, name }));
  if (secret === undefined) return undefined;
  const { data = {}, metadata } = secret;
  const texts = Object.fromEntries(
    files.map((file) => [file, Buffer.from(data[file] ?? '', 'base64').toString('utf8')]),
  );
  try {
    return { ca: loadCa(texts, clock.now()), secretName: name, version: metadata?.resourceVersion ?? '' };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`Secret ${rootNamespace}/${name}: ${why}`);
  }
}

function generatedSecret({ rootNamespace, trustDomain, clock }: CaSecretOptions): Secret {
  const ca = generateCa({ trustDomain, now: clock.now(), algorithm: 'ec', serial: randomBytes(16) });
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: names.caSecret, namespace: rootNamespace, labels: { 'app.kubernetes.io/managed-by': 'isthmus' } },
    type: 'istio.io/ca-root',
    data: Object.fromEntries(files.map((file) => [file, Buffer.from(ca[file]).toString('base64')])),
  };
}
