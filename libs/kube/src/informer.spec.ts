import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { comesTrue } from '#testing';
import type { KubeClient, RawRequest, RawResponse } from './client.js';
import { InvalidError, NotFoundError } from './errors.js';
import { Informer } from './informer.js';
import type { InformerObserver } from './informer.js';
import { silentLogger } from './logger.js';
import type { ApiObject } from './object.js';
import { resources } from './resource.js';

type Line = object;

/** Plays one scripted answer per watch: lines, or an error; lists are answered from `pages`. */
class ScriptedClient implements Pick<KubeClient, 'request' | 'stream'> {
  readonly asked: RawRequest[] = [];

  constructor(
    readonly watches: (readonly Line[] | Error)[],
    readonly pages: readonly object[] = [],
  ) {}

  stream(request: RawRequest): Promise<{ body: Readable }> {
    this.asked.push(request);
    const script = this.watches.shift();
    if (script instanceof Error) return Promise.reject(script);
    if (script === undefined) return Promise.resolve({ body: neverEnding(request.signal) });
    return Promise.resolve({
      body: Readable.from([Buffer.from(script.map((line) => `${JSON.stringify(line)}\n`).join(''))]),
    });
  }

  request(request: RawRequest): Promise<RawResponse> {
    this.asked.push(request);
    const page = this.pages[Number(request.query?.['continue'] ?? 0)];
    return Promise.resolve({ status: 200, headers: {}, body: JSON.stringify(page) });
  }
}

function neverEnding(signal: AbortSignal | undefined): Readable {
  const stream = new Readable({ read: () => undefined });
  signal?.addEventListener('abort', () => stream.destroy(new Error('aborted')));
  return stream;
}

const node = (name: string, resourceVersion: string): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, uid: name, resourceVersion },
});
const added = (name: string, version: string): Line => ({ type: 'ADDED', object: node(name, version) });
const end = (version: string): Line => ({
  type: 'BOOKMARK',
  object: { metadata: { resourceVersion: version, annotations: { 'k8s.io/initial-events-end': 'true' } } },
});
const where = { method: 'GET', path: '/api/v1/nodes' };

describe('Informer with a scripted server', () => {
  let stop: AbortController;
  beforeEach(() => {
    stop = new AbortController();
  });
  afterEach(() => stop.abort());

  function start(
    client: ScriptedClient,
    more: { mayBeAbsent?: boolean; observer?: InformerObserver } = {},
  ): { informer: Informer<ApiObject>; heard: string[] } {
    const informer = new Informer({
      ...more,
      client: client as unknown as KubeClient,
      resource: resources.nodes,
      logger: silentLogger,
      random: () => 0,
    });
    const heard: string[] = [];
    informer.onChange((key, current) => heard.push(`${key}@${current?.metadata?.resourceVersion ?? 'gone'}`));
    informer.start(stop.signal);
    return { informer, heard };
  }

  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150));

  it('lists anew after 410 and tells only what changed', async () => {
    const expired = { type: 'ERROR', object: { code: 410, reason: 'Expired' } };
    const client = new ScriptedClient([
      [added('a', '1'), added('b', '2'), end('5'), expired],
      [added('b', '2'), added('c', '7'), end('9')],
    ]);
    const { informer, heard } = start(client);
    await comesTrue(() => heard.length === 4);
    expect(heard).toEqual(['a@1', 'b@2', 'c@7', 'a@gone']);
    expect(informer.list().map((object) => object.metadata?.name)).toEqual(['b', 'c']);
    expect(client.asked[1]?.query).toMatchObject({ sendInitialEvents: true });
  });

  it('continues from the last bookmark', async () => {
    const bookmark = { type: 'BOOKMARK', object: { metadata: { resourceVersion: '42' } } };
    const client = new ScriptedClient([[added('a', '1'), end('5'), bookmark], [added('b', '43')]]);
    const { heard } = start(client);
    await comesTrue(() => client.asked.length === 3);
    expect(heard).toEqual(['a@1', 'b@43']);
    expect(client.asked.map((request) => request.query?.['resourceVersion'])).toEqual([undefined, '42', '43']);
  });

  it('lists page by page where WatchList is refused, and counts each page as a sign of life', async () => {
    const refusal = new InvalidError(422, 'Invalid', 'sendInitialEvents is forbidden', where);
    const page = (items: ApiObject[], next?: string): object => ({
      apiVersion: 'v1',
      kind: 'NodeList',
      metadata: { resourceVersion: '8', continue: next },
      items: items.map(({ metadata }) => ({ metadata })),
    });
    const client = new ScriptedClient([refusal], [page([node('a', '1')], '1'), page([node('b', '2')])]);
    const told: string[] = [];
    const observer = {
      heard: () => told.push('heard'),
      opened: () => told.push('opened'),
      listed: () => told.push('listed'),
      failed: () => told.push('failed'),
    };
    const { informer } = start(client, { observer });
    await informer.synced;
    await comesTrue(() => told.length === 4);
    // Each page is a sign of life: on a quiet collection the watch brings none for a minute.
    expect(told).toEqual(['heard', 'heard', 'listed', 'opened']);
    expect(informer.list()).toEqual([node('a', '1'), node('b', '2')]);
    expect(client.asked.at(-1)?.query).toMatchObject({ resourceVersion: '8' });
  });

  it('does not empty a collection on a single 404', async () => {
    const client = new ScriptedClient([
      [added('a', '1'), end('5')],
      new NotFoundError(404, 'NotFound', 'not ready yet', where),
    ]);
    const { informer, heard } = start(client);
    await comesTrue(() => informer.absent);
    await settle();
    expect(informer.list()).toHaveLength(1);
    expect(heard).toEqual(['a@1']);
  });

  it('never takes 404 for emptiness where the resource cannot be absent', async () => {
    const unknown = (): Error => new NotFoundError(404, 'NotFound', 'no such peer', where);
    const many = Array.from({ length: 8 }, unknown);
    const { informer, heard } = start(new ScriptedClient([...many, [added('a', '1'), end('5')]]), {
      mayBeAbsent: false,
    });
    await settle();
    expect([informer.hasSynced, informer.absent]).toEqual([false, false]);
    await informer.synced;
    expect(heard).toEqual(['a@1']);
  });

  it('keeps the whole old copy while a new one is read, also when reading it is cut short', async () => {
    const expired = { type: 'ERROR', object: { code: 410, reason: 'Expired' } };
    const client = new ScriptedClient([
      [added('a', '1'), added('b', '2'), end('5'), expired],
      [added('c', '6')],
      [added('c', '6'), end('9')],
    ]);
    const shown: [string[], boolean][] = [];
    const open = client.stream.bind(client);
    client.stream = (request) => {
      shown.push([informer.list().map(({ metadata }) => metadata?.name ?? ''), informer.relisting]);
      return open(request);
    };
    const { informer, heard } = start(client);
    await comesTrue(() => informer.get(undefined, 'c') !== undefined);
    expect(shown.slice(0, 3)).toEqual([
      [[], false],
      [['a', 'b'], true],
      [['a', 'b'], true],
    ]);
    expect(heard).toEqual(['a@1', 'b@2', 'c@6', 'a@gone', 'b@gone']);
    expect(informer.relisting).toBe(false);
  });

  it('keeps a character whole that two chunks share', async () => {
    const client = new ScriptedClient([]);
    const bytes = Buffer.from(`${JSON.stringify(added('ä', '1'))}\n${JSON.stringify(end('2'))}\n`);
    const cut = bytes.indexOf(0xc3) + 1;
    client.stream = () => Promise.resolve({ body: Readable.from([bytes.subarray(0, cut), bytes.subarray(cut)]) });
    const { informer } = start(client);
    await informer.synced;
    expect(informer.get(undefined, 'ä')).toBeDefined();
  });

  it('rejects synced when stopped before', async () => {
    const { informer } = start(new ScriptedClient([]));
    stop.abort();
    await expect(informer.synced).rejects.toThrow('stopped before it had synced');
  });
});
