import { createHash, randomBytes } from 'node:crypto';
import { ConflictError, pathFor, resources, type ApiObject, type KubeClient } from '#kube';
import type { Secret } from '#istio-api';
import { names, rotationIn, rotationMember, type Clock } from '#model';
import { generateCa, loadCa, type CaFiles, type CaRotation, type CaState, type WorkloadCa } from '#trust';

/** A CA with the Secret it came from. */
export interface LoadedCa {
  readonly ca: WorkloadCa;
  readonly secretName: string;
  /** Digest of what is issued by and verified with: the same text means the same CA. */
  readonly version: string;
  /** How a CA of our own is kept, and under which resourceVersion; absent for one that the user plugged in. */
  readonly own?: { readonly state: CaState; readonly resourceVersion: string };
}

export interface CaSecretOptions {
  readonly client: KubeClient;
  readonly rootNamespace: string;
  readonly trustDomain: string;
  readonly clock: Clock;
}

const needed = ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem'] as const;
const files: readonly (keyof CaFiles)[] = [...needed, 'ca-crl.pem', 'cross-cert.pem'];
const rotationKey = 'rotation.json';
const nextCertKey = 'next-cert.pem';
const nextKeyKey = 'next-key.pem';
const allKeys = [...files, rotationKey, nextCertKey, nextKeyKey];

/**
 * The workload CA: Secret `cacerts` in Istio's layout when the user plugged one in, else `isthmus-ca`, which is generated
 * once. Two replicas may start at the same moment: one creates, the other meets 409 and reads.
 */
export async function readOrCreateCa(options: CaSecretOptions): Promise<LoadedCa> {
  const existing = await readCa(options);
  if (existing !== undefined) return existing;
  await createOwnCa(options, { files: freshCa(options), rotation: {} });
  const created = await readCa(options);
  if (created === undefined) {
    throw new Error(`Secret ${options.rootNamespace}/${names.caSecret} was created and is gone again: start anew`);
  }
  return created;
}

/** Makes the Secret of a CA of our own; whoever comes second leaves the first one's. */
export async function createOwnCa(options: CaSecretOptions, state: CaState): Promise<void> {
  try {
    await options.client.create<Secret>(secretOf(options, state));
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
  }
}

/** The plugged-in CA if there is one, else the generated one, else undefined. Throws when a Secret is there and unusable. */
export async function readCa(options: CaSecretOptions): Promise<LoadedCa | undefined> {
  return (await loaded(options, names.pluggedInCaSecret)) ?? (await loaded(options, names.caSecret));
}

/** Writes what became of the generated CA; false when somebody else changed the Secret meanwhile. */
export async function replaceOwnCa(
  options: CaSecretOptions,
  state: CaState,
  resourceVersion: string,
): Promise<boolean> {
  const path = pathFor(resources.secrets, { namespace: options.rootNamespace, name: names.caSecret });
  const data = { ...Object.fromEntries(allKeys.map((key) => [key, null])), ...dataOf(state) };
  try {
    await options.client.patch(path, { metadata: { resourceVersion }, data }, 'application/merge-patch+json');
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
}

/** A new self-signed root of this mesh, of the algorithm that proxies verify fastest. */
export function freshCa({ trustDomain, clock }: Pick<CaSecretOptions, 'trustDomain' | 'clock'>): CaFiles {
  return generateCa({ trustDomain, now: clock.now(), algorithm: 'ec', serial: randomBytes(16) });
}

async function loaded(options: CaSecretOptions, name: string): Promise<LoadedCa | undefined> {
  const { client, rootNamespace, clock } = options;
  const secret = await client.get<Secret>(pathFor(resources.secrets, { namespace: rootNamespace, name }));
  if (secret === undefined) return undefined;
  const text = (key: string): string => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  const texts = Object.fromEntries(files.map((file) => [file, text(file)])) as unknown as CaFiles;
  try {
    return {
      ca: loadCa(texts, clock.now()),
      secretName: name,
      version: createHash('sha256')
        .update(JSON.stringify([name, texts]))
        .digest('hex'),
      ...(name === names.caSecret
        ? { own: { state: stateOf(texts, text), resourceVersion: secret.metadata?.resourceVersion ?? '' } }
        : {}),
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`Secret ${rootNamespace}/${name}: ${why}`);
  }
}

function stateOf(given: CaFiles, text: (key: string) => string): CaState {
  const next = text(nextCertKey);
  return {
    files: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== '')) as unknown as CaFiles,
    ...(next === '' ? {} : { next: { 'ca-cert.pem': next, 'ca-key.pem': text(nextKeyKey) } }),
    rotation: rotationOf(text(rotationKey)),
  };
}

/** Roots are dropped by these times. @throws Error as {@link rotationIn} */
export function rotationOf(text: string): CaRotation {
  const { text: isText, texts, time } = rotationMember;
  return rotationIn<CaRotation>(rotationKey, text, {
    request: isText,
    announcedAt: time,
    switchedAt: time,
    leaving: texts,
    leavingUntil: time,
    issuedUntil: time,
  });
}

function secretOf({ rootNamespace }: CaSecretOptions, state: CaState): Secret & ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: names.caSecret,
      namespace: rootNamespace,
      labels: { 'app.kubernetes.io/managed-by': 'isthmus' },
    },
    type: 'istio.io/ca-root',
    data: dataOf(state),
  };
}

function dataOf({ files: texts, next, rotation }: CaState): Readonly<Record<string, string>> {
  const all: Readonly<Record<string, string | undefined>> = {
    ...texts,
    [nextCertKey]: next?.['ca-cert.pem'],
    [nextKeyKey]: next?.['ca-key.pem'],
    [rotationKey]: JSON.stringify(rotation),
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, Buffer.from(value).toString('base64')]],
    ),
  );
}
