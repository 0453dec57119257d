import { configError, downwardValue } from './facts.js';
import type { PodFacts } from './facts.js';
import type {
  ConfigMapObject,
  DownwardItem,
  KeyToPath,
  Pod,
  ProjectedSource,
  SecretObject,
  Volume,
} from './pod-types.js';

export interface PayloadFile {
  readonly content: Buffer;
  /** Permission bits. */
  readonly mode: number;
}

/** Files of a volume by relative path. */
export type Payload = ReadonlyMap<string, PayloadFile>;

export interface TokenWish {
  /** Empty for the API server's own audience. */
  readonly audience: string;
  readonly expirationSeconds: number;
}

export type TokenSource = (wish: TokenWish) => Promise<string>;

const defaultMode = 0o644;
const defaultTokenSeconds = 3600;

/** True for volumes whose files are written by the node and follow the objects that they show. */
export function isPayloadVolume(volume: Volume): boolean {
  return (volume.configMap ?? volume.secret ?? volume.downwardAPI ?? volume.projected) !== undefined;
}

/** Names of the ConfigMaps and Secrets that a pod's volumes show. */
export function shownObjects(pod: Pod): {
  readonly configMaps: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
} {
  const volumes = pod.spec.volumes ?? [];
  const sources = volumes.flatMap(({ projected }) => projected?.sources ?? []);
  const configMaps = [
    ...volumes.map(({ configMap }) => configMap?.name),
    ...sources.map(({ configMap }) => configMap?.name),
  ];
  const secrets = [...volumes.map(({ secret }) => secret?.secretName), ...sources.map(({ secret }) => secret?.name)];
  return { configMaps: named(configMaps), secrets: named(secrets) };
}

function named(names: readonly (string | undefined)[]): ReadonlySet<string> {
  return new Set(names.filter((name) => name !== undefined));
}

/**
 * Files that the volume must hold now.
 * @throws NotYet when an object or key that isn't optional is missing
 */
export async function payloadOf(volume: Volume, facts: PodFacts, token: TokenSource): Promise<Payload> {
  const { configMap, secret, downwardAPI, projected } = volume;
  const files = new Map<string, PayloadFile>();
  if (configMap !== undefined) {
    addObject(files, configMapFiles(facts.configMap(configMap.name)), {
      what: `ConfigMap ${configMap.name}`,
      ...configMap,
    });
  } else if (secret !== undefined) {
    addObject(files, secretFiles(facts.secret(secret.secretName)), { what: `Secret ${secret.secretName}`, ...secret });
  } else if (downwardAPI !== undefined) {
    addDownward(files, facts, downwardAPI.items ?? [], downwardAPI.defaultMode ?? defaultMode);
  } else {
    for (const source of projected?.sources ?? []) {
      await addProjected(files, source, { facts, token, mode: projected?.defaultMode ?? defaultMode });
    }
  }
  return files;
}

interface Projection {
  readonly facts: PodFacts;
  readonly token: TokenSource;
  readonly mode: number;
}

async function addProjected(files: Map<string, PayloadFile>, source: ProjectedSource, how: Projection): Promise<void> {
  const { facts, mode } = how;
  const { serviceAccountToken, configMap, secret, downwardAPI } = source;
  if (serviceAccountToken !== undefined) {
    const { path, audience = '', expirationSeconds = defaultTokenSeconds } = serviceAccountToken;
    files.set(path, { content: Buffer.from(await how.token({ audience, expirationSeconds })), mode });
  }
  if (configMap !== undefined) {
    const data = configMapFiles(facts.configMap(configMap.name));
    addObject(files, data, { what: `ConfigMap ${configMap.name}`, defaultMode: mode, ...configMap });
  }
  if (secret !== undefined) {
    const data = secretFiles(facts.secret(secret.name));
    addObject(files, data, { what: `Secret ${secret.name}`, defaultMode: mode, ...secret });
  }
  if (downwardAPI !== undefined) addDownward(files, facts, downwardAPI.items ?? [], mode);
}

interface ObjectProjection {
  readonly what: string;
  readonly items?: readonly KeyToPath[];
  readonly defaultMode?: number;
  readonly optional?: boolean;
}

function addObject(
  files: Map<string, PayloadFile>,
  data: ReadonlyMap<string, Buffer> | undefined,
  how: ObjectProjection,
): void {
  if (data === undefined) {
    if (how.optional === true) return;
    throw configError(`${how.what} is not there`);
  }
  const items: readonly KeyToPath[] = how.items ?? [...data.keys()].sort().map((key) => ({ key, path: key }));
  for (const { key, path, mode } of items) {
    const content = data.get(key);
    if (content === undefined && how.optional !== true) throw configError(`${how.what} has no key ${key}`);
    if (content !== undefined) files.set(path, { content, mode: mode ?? how.defaultMode ?? defaultMode });
  }
}

function addDownward(
  files: Map<string, PayloadFile>,
  facts: PodFacts,
  items: readonly DownwardItem[],
  mode: number,
): void {
  for (const item of items) {
    files.set(item.path, { content: Buffer.from(downwardValue(facts, item)), mode: item.mode ?? mode });
  }
}

function configMapFiles(object: ConfigMapObject | undefined): ReadonlyMap<string, Buffer> | undefined {
  if (object === undefined) return undefined;
  const text = Object.entries(object.data ?? {}).map(([key, value]) => [key, Buffer.from(value)] as const);
  const binary = Object.entries(object.binaryData ?? {}).map(
    ([key, value]) => [key, Buffer.from(value, 'base64')] as const,
  );
  return new Map([...text, ...binary]);
}

function secretFiles(object: SecretObject | undefined): ReadonlyMap<string, Buffer> | undefined {
  if (object === undefined) return undefined;
  return new Map(Object.entries(object.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const));
}
