import { describe, expect, it } from '@jest/globals';
import { TYPE_URLS, type Resource } from '#proto';
import { resourceSet, servedFrom, type Served } from './served.js';
import { openStream, outstanding, type Outgoing, type Protocol, type StreamState } from './state.js';
import { step } from './step.js';

/** Short words for type URLs, for scripts in specs. */
const types = {
  cds: TYPE_URLS.cluster,
  eds: TYPE_URLS.endpoints,
  lds: TYPE_URLS.listener,
  rds: TYPE_URLS.route,
  sds: TYPE_URLS.secret,
  nds: TYPE_URLS.nameTable,
  other: 'type.googleapis.com/example.Unknown',
} as const;
type TypeWord = keyof typeof types;

/** Resources per type as `name@version` words: `{ cds: 'a@1 b@1' }`. */
type World = Readonly<Partial<Record<TypeWord, string>>>;

/** What a spec lets happen, in order. Left-out fields are empty. */
type Happening =
  | { readonly now: World }
  | {
      readonly ask: TypeWord;
      readonly sub?: string;
      readonly unsub?: string;
      readonly has?: string;
      readonly ack?: string;
      readonly error?: string;
    }
  | {
      readonly want: TypeWord;
      readonly names?: string;
      readonly version?: string;
      readonly ack?: string;
      readonly error?: string;
    };

const absentMarked: ReadonlySet<string> = new Set(['eds', 'rds']);

/** A served view; endpoints and routes answer unknown names with `name@none`, secrets do not. */
function world(resources: World): Served {
  const words = (Object.keys(types) as TypeWord[]).filter((word) => word !== 'other');
  return servedFrom(
    new Map(
      words.map((word) => {
        const listed = split(resources[word]).map((text) => resourceOf(word, text));
        const absent = (name: string): Resource => resourceOf(word, `${name}@none`);
        return [types[word], absentMarked.has(word) ? resourceSet(listed, absent) : resourceSet(listed)];
      }),
    ),
  );
}

/** A stream that plays a script and tells what was sent, as `nonce cds a@1 b@1 -gone`. */
class ScriptedStream {
  state: StreamState;
  reading: string | undefined;

  constructor(protocol: Protocol, resources: World) {
    this.state = openStream(protocol, world(resources), (parts) => [...parts].join('').replaceAll('\n', '.'));
  }

  play(happening: Happening): string[] {
    const { state, send, reading } = step(this.state, eventOf(happening));
    this.state = state;
    this.reading = reading;
    return send.map(told);
  }
}

function eventOf(happening: Happening): Parameters<typeof step>[1] {
  if ('now' in happening) return { kind: 'served', served: world(happening.now) };
  const error = happening.error === undefined ? {} : { error: happening.error };
  const nonce = happening.ack ?? '';
  if ('ask' in happening) {
    return {
      kind: 'delta-request',
      typeUrl: types[happening.ask],
      subscribe: split(happening.sub),
      unsubscribe: split(happening.unsub),
      initialVersions: new Map(split(happening.has).map(pair)),
      nonce,
      ...error,
    };
  }
  const { want, names, version = '' } = happening;
  return { kind: 'sotw-request', typeUrl: types[want], names: split(names), version, nonce, ...error };
}

function told(outgoing: Outgoing): string {
  const word = Object.entries(types).find(([, typeUrl]) => typeUrl === outgoing.typeUrl)?.[0] ?? outgoing.typeUrl;
  const resources = outgoing.resources.map(({ name, version }) => `${name}@${version}`);
  const removed = outgoing.removed.map((name) => `-${name}`);
  return [outgoing.nonce, word, ...resources, ...removed].join(' ');
}

function resourceOf(word: TypeWord, text: string): Resource {
  const [name, version] = pair(text);
  return { typeUrl: types[word], name, version, bytes: new TextEncoder().encode(`${word}/${text}`) };
}

function pair(text: string): readonly [string, string] {
  const [name = '', version = ''] = text.split('@');
  return [name, version];
}

function split(text = ''): string[] {
  return text === '' ? [] : text.split(' ');
}

type Beat = readonly [happening: Happening, sent: readonly string[], reading?: string];

interface Scenario {
  readonly title: string;
  readonly world: World;
  readonly beats: readonly Beat[];
}

function playAll(protocol: Protocol, { world: resources, beats }: Scenario): void {
  const stream = new ScriptedStream(protocol, resources);
  for (const [happening, sent, reading] of beats) {
    expect({ happening, sent: stream.play(happening) }).toEqual({ happening, sent });
    if (reading !== undefined) expect({ happening, reading: stream.reading }).toEqual({ happening, reading });
  }
}

const delta: readonly Scenario[] = [
  {
    title: 'a fresh client: clusters, then the rest as it asks; nothing waits for the ACK of clusters',
    world: { cds: 'a@1 b@1', eds: 'a@1 b@1', lds: 'l@1', rds: 'r@1', sds: 's@1', nds: 'n@1' },
    beats: [
      [{ ask: 'cds' }, ['1 cds a@1 b@1'], 'init'],
      [{ ask: 'sds', sub: 's' }, ['2 sds s@1']],
      [{ ask: 'eds', sub: 'a b' }, ['3 eds a@1 b@1']],
      [{ ask: 'cds', ack: '1' }, [], 'ack'],
      [{ ask: 'eds', ack: '3' }, [], 'ack'],
      [{ ask: 'lds' }, ['4 lds l@1']],
      [{ ask: 'rds', sub: 'r' }, ['5 rds r@1']],
      [{ ask: 'nds' }, ['6 nds n@1']],
    ],
  },
  {
    title: 'a fresh client and nothing to serve: an empty answer for wildcard types, since it waits to start',
    world: {},
    beats: [
      [{ ask: 'cds' }, ['1 cds']],
      [{ ask: 'lds' }, ['2 lds']],
      [{ ask: 'eds' }, []],
      [{ ask: 'nds' }, [], 'init'],
      [{ now: { nds: 'n@1' } }, ['3 nds n@1']],
    ],
  },
  {
    title: 'unknown names: endpoints and routes answered empty, secrets as removed, unknown types not at all',
    world: { eds: 'a@1' },
    beats: [
      [{ ask: 'eds', sub: 'a x' }, ['1 eds a@1 x@none']],
      [{ ask: 'rds', sub: 'y' }, ['2 rds y@none']],
      [{ ask: 'sds', sub: 'z' }, ['3 sds -z']],
      [{ ask: 'other', sub: 'z' }, [], 'ignored'],
      [{ ask: 'sds', ack: '3' }, []],
      [{ ask: 'rds', ack: '2' }, []],
      [{ now: { eds: 'a@1', sds: 'z@1' } }, ['4 sds z@1']],
      [{ ask: 'sds', ack: '4' }, []],
      [{ now: { eds: 'a@1' } }, ['5 sds -z']],
    ],
  },
  {
    title:
      'one change is pushed clusters, endpoints, secrets, then listeners, routes, then what is gone; only what differs',
    world: { cds: 'a@1 b@1', eds: 'a@1 b@1', lds: 'l@1', rds: 'r@1', sds: 's@1' },
    beats: [
      [{ ask: 'lds' }, ['1 lds l@1']],
      [{ ask: 'sds', sub: 's' }, ['2 sds s@1']],
      [{ ask: 'rds', sub: 'r' }, ['3 rds r@1']],
      [{ ask: 'eds', sub: 'a b' }, ['4 eds a@1 b@1']],
      [{ ask: 'cds' }, ['5 cds a@1 b@1']],
      [{ ask: 'lds', ack: '1' }, []],
      [{ ask: 'sds', ack: '2' }, []],
      [{ ask: 'rds', ack: '3' }, []],
      // endpoints are pushed again after clusters once the client has answered the ones before
      [{ ask: 'eds', ack: '4' }, ['6 eds a@1 b@1']],
      [{ ask: 'eds', ack: '6' }, []],
      [{ ask: 'cds', ack: '5' }, []],
      [
        { now: { cds: 'b@1 c@1', eds: 'b@2 c@1', lds: 'l@2', rds: 'r@2', sds: 's@2' } },
        ['7 cds c@1', '8 eds b@2', '9 sds s@2'],
      ],
      [{ ask: 'eds', sub: 'c' }, ['10 eds c@1']],
      [{ ask: 'cds', ack: '7' }, []],
      [{ ask: 'sds', ack: '9' }, []],
      [{ ask: 'eds', ack: '8' }, []],
      [{ ask: 'eds', ack: '10' }, ['11 lds l@2', '12 rds r@2']],
      [{ ask: 'lds', ack: '11' }, []],
      [{ ask: 'rds', ack: '12' }, ['13 cds -a', '14 eds a@none']],
      [{ ask: 'eds', unsub: 'a' }, []],
      [{ ask: 'cds', ack: '13' }, []],
    ],
  },
  {
    title: 'what is gone alone goes at once; endpoints of a cluster that is gone are not emptied before it',
    world: { cds: 'a@1 b@1', eds: 'a@1 b@1', lds: 'l@1', rds: 'r@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1 b@1' }, []],
      [{ ask: 'eds', sub: 'a b', has: 'a@1 b@1' }, []],
      [{ ask: 'lds', has: 'l@1' }, []],
      [{ ask: 'rds', sub: 'r', has: 'r@1' }, []],
      [{ now: { cds: 'a@1', eds: 'a@1', lds: 'l@1', rds: 'r@1' } }, ['1 cds -b', '2 eds b@none']],
      [{ ask: 'cds', ack: '1' }, []],
      [{ ask: 'eds', ack: '2', unsub: 'b' }, []],
      [{ now: { cds: 'a@1', eds: 'a@1', lds: 'l@1', rds: 'r@2' } }, ['3 rds r@2']],
      [{ now: { eds: '', lds: 'l@1', rds: 'r@2' } }, []],
      [{ ask: 'rds', ack: '3' }, ['4 cds -a', '5 eds a@none']],
    ],
  },
  {
    title: 'a stream of endpoint changes does not hold routes back for ever, nor one of routes what is gone',
    world: { cds: 'a@1 b@1', eds: 'a@1', rds: 'r@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1 b@1' }, []],
      [{ ask: 'eds', sub: 'a', has: 'a@1' }, []],
      [{ ask: 'rds', sub: 'r', has: 'r@1' }, []],
      [{ now: { cds: 'a@1 b@1', eds: 'a@2', rds: 'r@2' } }, ['1 eds a@2']],
      [{ now: { cds: 'a@1', eds: 'a@3', rds: 'r@2' } }, []],
      [{ ask: 'eds', ack: '1' }, ['2 eds a@3', '3 rds r@2']],
      [{ now: { cds: 'a@1', eds: 'a@3', rds: 'r@3' } }, []],
      [{ ask: 'rds', ack: '3' }, ['4 cds -b']],
      [{ ask: 'eds', ack: '2' }, ['5 rds r@3']],
    ],
  },
  {
    title: 'what is gone goes along with changes that keep coming, when nothing refers to it',
    world: { cds: 'a@1 b@1', lds: 'l@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1 b@1' }, []],
      [{ ask: 'lds', has: 'l@1' }, []],
      [{ now: { cds: 'a@2 b@1', lds: 'l@1' } }, ['1 cds a@2']],
      [{ now: { cds: 'a@3', lds: 'l@1' } }, []],
      [{ ask: 'cds', ack: '1' }, ['2 cds a@3 -b']],
    ],
  },
  {
    title: 'what is gone goes, too, where clusters and routes keep changing',
    world: { cds: 'a@1 b@1', rds: 'r@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1 b@1' }, []],
      [{ ask: 'rds', sub: 'r', has: 'r@1' }, []],
      [{ now: { cds: 'a@2', rds: 'r@2' } }, ['1 cds a@2', '2 rds r@2']],
      [{ now: { cds: 'a@3', rds: 'r@3' } }, []],
      [{ ask: 'rds', ack: '2' }, ['3 rds r@3']],
      [{ now: { cds: 'a@4', rds: 'r@4' } }, []],
      [{ ask: 'cds', ack: '1' }, ['4 cds a@4 -b']],
    ],
  },
  {
    title: 'held back, then no longer wanted, then wanted again: it waits for the endpoints of its own change',
    world: { eds: 'a@1', lds: 'l@1' },
    beats: [
      [{ ask: 'eds', sub: 'a', has: 'a@1' }, []],
      [{ ask: 'lds', has: 'l@1' }, []],
      [{ now: { eds: 'a@2', lds: 'l@2' } }, ['1 eds a@2']],
      [{ now: { eds: 'a@2', lds: 'l@1' } }, []],
      [{ ask: 'eds', ack: '1' }, []],
      [{ now: { eds: 'a@3', lds: 'l@2' } }, ['2 eds a@3']],
      [{ ask: 'eds', ack: '2' }, ['3 lds l@2']],
    ],
  },
  {
    title: 'access rules wait for no cluster: Envoy answers those only when none warms any more',
    world: { cds: 'a@1', eds: 'a@1', lds: 'l@1', rds: 'r@1', sds: 's@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1' }, []],
      [{ ask: 'eds', sub: 'a', has: 'a@1' }, []],
      [{ ask: 'lds', has: 'l@1' }, []],
      [{ ask: 'rds', sub: 'r', has: 'r@1' }, []],
      [{ now: { cds: 'a@1 dns@1', eds: 'a@1', lds: 'l@1', rds: 'r@1', sds: 's@1' } }, ['1 cds dns@1']],
      [{ now: { cds: 'a@1 dns@1', eds: 'a@1', lds: 'l@2', rds: 'r@2', sds: 's@1' } }, ['2 lds l@2', '3 rds r@2']],
    ],
  },
  {
    title:
      'a subscription is answered with what it asks for: endpoints of what is gone stay, routes that are held back too',
    world: { cds: 'a@1', eds: 'a@1', rds: 'r@1 q@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1' }, []],
      [{ ask: 'eds', sub: 'a', has: 'a@1' }, []],
      [{ ask: 'rds', sub: 'r', has: 'r@1' }, []],
      [{ now: { cds: 'c@1', eds: 'c@1', rds: 'r@2 q@1' } }, ['1 cds c@1']],
      [{ ask: 'eds', sub: 'c' }, ['2 eds c@1']],
      [{ ask: 'rds', sub: 'q' }, ['3 rds q@1']],
      [{ ask: 'eds', ack: '2' }, []],
      [{ ask: 'rds', ack: '3' }, ['4 eds a@none']],
      [{ ask: 'eds', ack: '4', unsub: 'a' }, ['5 rds r@2']],
    ],
  },
  {
    title: 'routes wait for the endpoints of a new cluster to be asked for, and then for those to be answered',
    world: { cds: 'a@1', eds: 'a@1', rds: 'r@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1' }, []],
      [{ ask: 'eds', sub: 'a', has: 'a@1' }, []],
      [{ ask: 'rds', sub: 'r', has: 'r@1' }, []],
      [{ now: { cds: 'a@1 b@1 c@1', eds: 'a@1 b@1 c@1', rds: 'r@2' } }, ['1 cds b@1 c@1']],
      [{ ask: 'eds', sub: 'b' }, ['2 eds b@1']],
      [{ ask: 'eds', ack: '2' }, []],
      [{ ask: 'eds', sub: 'c' }, ['3 eds c@1']],
      [{ ask: 'eds', ack: '3' }, ['4 rds r@2']],
    ],
  },
  {
    title: 'a client that refuses clusters, or asks for no endpoints of them, gets its routes',
    world: { cds: 'a@1', eds: 'a@1', rds: 'r@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1' }, []],
      [{ ask: 'rds', sub: 'r', has: 'r@1' }, []],
      [{ now: { cds: 'a@1 b@1', eds: 'a@1 b@1', rds: 'r@2' } }, ['1 cds b@1']],
      [{ ask: 'cds', ack: '1', error: 'no such field' }, ['2 rds r@2'], 'nack'],
      [{ ask: 'rds', ack: '2' }, []],
      [{ now: { cds: 'a@1 b@2', eds: 'a@1 b@1', rds: 'r@3' } }, ['3 cds b@2']],
      [{ ask: 'cds', ack: '3' }, ['4 rds r@3'], 'ack'],
    ],
  },
  {
    title: 'a cluster that was refused once does not hold rules back while another warms for ever',
    world: { cds: 'a@1', eds: 'a@1', rds: 'r@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1' }, []],
      [{ ask: 'eds', sub: 'a', has: 'a@1' }, []],
      [{ ask: 'rds', sub: 'r', has: 'r@1' }, []],
      [{ now: { cds: 'a@1 bad@1', eds: 'a@1 bad@1', rds: 'r@1' } }, ['1 cds bad@1']],
      [{ ask: 'cds', ack: '1', error: 'no such field' }, [], 'nack'],
      [{ now: { cds: 'a@1 bad@1 dns@1', eds: 'a@1 bad@1', rds: 'r@1' } }, ['2 cds dns@1']],
      [{ now: { cds: 'a@1 bad@1 dns@1', eds: 'a@1 bad@1', rds: 'r@2' } }, ['3 rds r@2']],
    ],
  },
  {
    title: 'new clusters that keep coming do not hold routes back for ever',
    world: { cds: 'a@1', eds: 'a@1', rds: 'r@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1' }, []],
      [{ ask: 'eds', sub: 'a', has: 'a@1' }, []],
      [{ ask: 'rds', sub: 'r', has: 'r@1' }, []],
      [{ now: { cds: 'a@1 b@1', eds: 'a@1 b@1', rds: 'r@2' } }, ['1 cds b@1']],
      [{ now: { cds: 'a@1 b@1 c@1', eds: 'a@1 b@1 c@1', rds: 'r@3' } }, []],
      [{ ask: 'eds', sub: 'b' }, ['2 eds b@1']],
      [{ ask: 'cds', ack: '1' }, ['3 cds c@1']],
      [{ ask: 'eds', ack: '2' }, ['4 rds r@3']],
    ],
  },
  {
    title: 'a refused response holds nothing back either',
    world: { eds: 'a@1', rds: 'r@1' },
    beats: [
      [{ ask: 'eds', sub: 'a', has: 'a@1' }, []],
      [{ ask: 'rds', sub: 'r', has: 'r@1' }, []],
      [{ now: { eds: 'a@2', rds: 'r@2' } }, ['1 eds a@2']],
      [{ ask: 'eds', ack: '1', error: 'no such field' }, ['2 rds r@2'], 'nack'],
    ],
  },
  {
    title: 'every cluster sent is followed by its endpoints, changed or not, asked again or not',
    world: { cds: 'a@1 b@1', eds: 'a@1 b@1' },
    beats: [
      [{ ask: 'cds' }, ['1 cds a@1 b@1']],
      [{ ask: 'cds', ack: '1' }, []],
      [{ ask: 'eds', sub: 'a b' }, ['2 eds a@1 b@1']],
      [{ ask: 'eds', ack: '2' }, []],
      [{ now: { cds: 'a@2 b@1', eds: 'a@1 b@1' } }, ['3 cds a@2', '4 eds a@1']],
      [{ ask: 'eds', ack: '4' }, []],
      [{ now: { cds: 'a@3 b@1', eds: 'a@1 b@2' } }, ['5 eds b@2']],
      [{ ask: 'eds', ack: '5' }, []],
      [{ ask: 'cds', ack: '3' }, ['6 cds a@3', '7 eds a@1']],
    ],
  },
  {
    title: 'a client that reconnects up to date is sent nothing',
    world: { cds: 'a@1 b@1', eds: 'a@1 b@1', lds: 'l@1', rds: 'r@1', sds: 's@1', nds: 'n@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1 b@1' }, [], 'init'],
      [{ ask: 'eds', sub: 'a b', has: 'a@1 b@1' }, []],
      [{ ask: 'lds', has: 'l@1' }, []],
      [{ ask: 'rds', sub: 'r', has: 'r@1' }, []],
      [{ ask: 'sds', sub: 's', has: 's@1' }, []],
      [{ ask: 'nds', has: 'n@1' }, []],
      [{ now: { cds: 'a@1 b@1', eds: 'a@2 b@1', lds: 'l@1', rds: 'r@1', sds: 's@1', nds: 'n@1' } }, ['1 eds a@2']],
    ],
  },
  {
    title: 'a client that reconnects is sent the difference, and endpoints of what changed (Envoy 33607)',
    world: { cds: 'a@2 b@1', eds: 'a@1 b@1' },
    beats: [
      [{ ask: 'cds', has: 'a@1 b@1 gone@1' }, ['1 cds a@2 -gone']],
      [{ ask: 'eds', sub: 'a b', has: 'a@1 b@1' }, ['2 eds a@1']],
    ],
  },
  {
    title: 'the same with endpoints asked first',
    world: { cds: 'a@2 b@1', eds: 'a@1 b@1' },
    beats: [
      [{ ask: 'eds', sub: 'a b', has: 'a@1 b@1' }, []],
      [{ ask: 'cds', has: 'a@1 b@1' }, ['1 cds a@2', '2 eds a@1']],
    ],
  },
  {
    title: 'names held without being subscribed to count as wanted',
    world: { eds: 'a@1 b@2' },
    beats: [[{ ask: 'eds', has: 'a@1 b@1' }, ['1 eds b@2']]],
  },
  {
    title: 'changes wait for the answer of the same type and merge',
    world: { eds: 'a@1', lds: 'l@1' },
    beats: [
      [{ ask: 'eds', sub: 'a' }, ['1 eds a@1']],
      [{ ask: 'lds' }, ['2 lds l@1']],
      [{ ask: 'lds', ack: '2' }, []],
      [{ now: { eds: 'a@2', lds: 'l@2' } }, []],
      [{ now: { eds: 'a@3', lds: 'l@2' } }, []],
      [{ ask: 'eds', ack: '1' }, ['3 eds a@3', '4 lds l@2']],
      [{ now: { eds: 'a@4', lds: 'l@2' } }, []],
      [{ now: { eds: 'a@3', lds: 'l@2' } }, []],
      [{ ask: 'eds', ack: '3' }, []],
    ],
  },
  {
    title: 'a new subscription is answered at once, also while a response is on its way',
    world: { eds: 'a@1 b@1' },
    beats: [
      [{ ask: 'eds', sub: 'a' }, ['1 eds a@1']],
      [{ ask: 'eds', sub: 'b' }, ['2 eds b@1'], 'subscription'],
      [{ now: { eds: 'a@2 b@2' } }, []],
      [{ ask: 'eds', ack: '1' }, []],
      [{ ask: 'eds', ack: '2' }, ['3 eds a@2 b@2']],
    ],
  },
  {
    title: 'subscribing again to what is held sends it again; unsubscribing sends nothing and forgets',
    world: { eds: 'a@1 b@1' },
    beats: [
      [{ ask: 'eds', sub: 'a b' }, ['1 eds a@1 b@1']],
      [{ ask: 'eds', sub: 'a', ack: '1' }, ['2 eds a@1']],
      [{ ask: 'eds', ack: '2', unsub: 'b' }, [], 'subscription'],
      [{ now: { eds: 'a@1 b@2' } }, []],
      [{ ask: 'eds', sub: 'b' }, ['3 eds b@2']],
    ],
  },
  {
    title: 'a refused response is recorded, not repeated; the next change is sent',
    world: { lds: 'l@1' },
    beats: [
      [{ ask: 'lds' }, ['1 lds l@1']],
      [{ ask: 'lds', ack: '1', error: 'no such filter' }, [], 'nack'],
      [{ now: { lds: 'l@1' } }, []],
      [{ now: { lds: 'l@2' } }, ['2 lds l@2']],
      [{ ask: 'lds', ack: '2' }, [], 'ack'],
    ],
  },
  {
    title: 'changes that came during a refused response follow the NACK',
    world: { lds: 'l@1' },
    beats: [
      [{ ask: 'lds' }, ['1 lds l@1']],
      [{ now: { lds: 'l@2' } }, []],
      [{ ask: 'lds', ack: '1', error: 'no' }, ['2 lds l@2'], 'nack'],
    ],
  },
  {
    title: 'an unknown nonce settles nothing, but its subscriptions count',
    world: { eds: 'a@1 b@1' },
    beats: [
      [{ ask: 'eds', sub: 'a' }, ['1 eds a@1']],
      [{ ask: 'eds', ack: '77' }, [], 'stale'],
      [{ ask: 'eds', ack: '77', sub: 'b' }, ['2 eds b@1']],
      [{ now: { eds: 'a@2 b@1' } }, []],
      [{ ask: 'eds', ack: '2' }, ['3 eds a@2']],
    ],
  },
  {
    title: 'clusters by name, then by wildcard, then by name again',
    world: { cds: 'a@1 b@1' },
    beats: [
      [{ ask: 'cds', sub: 'a' }, ['1 cds a@1']],
      [{ ask: 'cds', ack: '1', sub: '*' }, ['2 cds b@1']],
      [{ ask: 'cds', ack: '2', unsub: 'a' }, ['3 cds a@1']],
      [{ ask: 'cds', ack: '3', unsub: '*' }, []],
      [{ now: { cds: 'a@2 b@2' } }, []],
    ],
  },
  {
    title: 'wildcard and a name that does not exist',
    world: { cds: 'a@1' },
    beats: [
      [{ ask: 'cds', sub: '* x' }, ['1 cds a@1 -x']],
      [{ ask: 'cds', ack: '1' }, []],
      [{ now: { cds: 'a@1 x@1' } }, ['2 cds x@1']],
    ],
  },
];

const sotw: readonly Scenario[] = [
  {
    title: 'a fresh client',
    world: { cds: 'a@1 b@1', eds: 'a@1 b@1', lds: 'l@1', rds: 'r@1', sds: 's@1', nds: 'n@1' },
    beats: [
      [{ want: 'cds' }, ['1 cds a@1 b@1'], 'init'],
      [{ want: 'eds', names: 'a b' }, ['2 eds a@1 b@1']],
      [{ want: 'cds', ack: '1' }, [], 'ack'],
      [{ want: 'eds', names: 'a b', ack: '2' }, []],
      [{ want: 'lds' }, ['3 lds l@1']],
      [{ want: 'rds', names: 'r' }, ['4 rds r@1']],
      [{ want: 'sds', names: 's' }, ['5 sds s@1']],
      [{ want: 'nds' }, ['6 nds n@1']],
    ],
  },
  {
    title: 'nothing to serve: empty answers for complete types, empty resources for endpoints, silence for secrets',
    world: {},
    beats: [
      [{ want: 'cds' }, ['1 cds']],
      [{ want: 'lds' }, ['2 lds']],
      [{ want: 'nds' }, []],
      [{ want: 'eds', names: 'x' }, ['3 eds x@none']],
      [{ want: 'sds', names: 'z' }, []],
      [{ want: 'other' }, [], 'ignored'],
      [{ now: { sds: 'z@1' } }, ['4 sds z@1']],
    ],
  },
  {
    title: 'a change: complete types whole, the others only what differs, endpoints of changed clusters after them',
    world: { cds: 'a@1 b@1', eds: 'a@1 b@1', lds: 'l@1 m@1', rds: 'r@1 q@1' },
    beats: [
      [{ want: 'cds' }, ['1 cds a@1 b@1']],
      [{ want: 'cds', ack: '1' }, []],
      [{ want: 'eds', names: 'a b' }, ['2 eds a@1 b@1']],
      [{ want: 'eds', names: 'a b', ack: '2' }, []],
      [{ want: 'lds' }, ['3 lds l@1 m@1']],
      [{ want: 'lds', ack: '3' }, []],
      [{ want: 'rds', names: 'r q' }, ['4 rds q@1 r@1']],
      [{ want: 'rds', names: 'r q', ack: '4' }, []],
      [
        { now: { cds: 'a@2 b@1', eds: 'a@1 b@1', lds: 'l@2 m@1', rds: 'r@2 q@1' } },
        ['5 cds a@2 b@1', '6 eds a@1', '7 lds l@2 m@1', '8 rds r@2'],
      ],
      [{ want: 'cds', ack: '5' }, []],
      [{ now: { cds: 'b@1', eds: 'b@1', lds: 'l@2 m@1', rds: 'r@2 q@1' } }, ['9 cds b@1']],
    ],
  },
  {
    title: 'endpoints asked for again after clusters are answered although the request looks like an ACK',
    world: { cds: 'a@1', eds: 'a@1' },
    beats: [
      [{ want: 'cds' }, ['1 cds a@1']],
      [{ want: 'cds', ack: '1' }, []],
      [{ want: 'eds', names: 'a' }, ['2 eds a@1']],
      [{ now: { cds: 'a@2', eds: 'a@1' } }, ['3 cds a@2']],
      [{ want: 'eds', names: 'a', ack: '2' }, ['4 eds a@1']],
    ],
  },
  {
    title: 'stale nonce: ignored',
    world: { eds: 'a@1 b@1' },
    beats: [
      [{ want: 'eds', names: 'a' }, ['1 eds a@1']],
      [{ want: 'eds', names: 'a', ack: '1' }, [], 'ack'],
      [{ now: { eds: 'a@2 b@1' } }, ['2 eds a@2']],
      [{ want: 'eds', names: 'a b', ack: '1' }, [], 'stale'],
      [{ want: 'eds', names: 'a b', ack: '2' }, ['3 eds b@1'], 'subscription'],
    ],
  },
  {
    title: 'names added: only they are answered; removed: nothing; none left: unsubscribed',
    world: { eds: 'a@1 b@1 c@1' },
    beats: [
      [{ want: 'eds', names: 'a' }, ['1 eds a@1']],
      [{ want: 'eds', names: 'a b c', ack: '1' }, ['2 eds b@1 c@1']],
      [{ want: 'eds', names: 'c', ack: '2' }, []],
      [{ now: { eds: 'a@2 b@2 c@1' } }, []],
      [{ want: 'eds', ack: '2' }, [], 'subscription'],
      [{ now: { eds: 'a@2 b@2 c@2' } }, []],
      [{ want: 'eds', names: 'a', ack: '2' }, ['3 eds a@2']],
    ],
  },
  {
    title: 'NACK: recorded, not repeated, next change sent',
    world: { cds: 'a@1' },
    beats: [
      [{ want: 'cds' }, ['1 cds a@1']],
      [{ want: 'cds', ack: '1', error: 'bad' }, [], 'nack'],
      [{ now: { cds: 'a@1' } }, []],
      [{ now: { cds: 'a@2' } }, ['2 cds a@2']],
    ],
  },
  {
    title: 'changes merge while a response is on its way',
    world: { lds: 'l@1' },
    beats: [
      [{ want: 'lds' }, ['1 lds l@1']],
      [{ now: { lds: 'l@2' } }, []],
      [{ now: { lds: 'l@3' } }, []],
      [{ want: 'lds', ack: '1' }, ['2 lds l@3']],
    ],
  },
  {
    title: 'clusters by name',
    world: { cds: 'a@1 b@1' },
    beats: [
      [{ want: 'cds', names: 'a' }, ['1 cds a@1']],
      [{ want: 'cds', names: 'a b', ack: '1' }, ['2 cds a@1 b@1']],
    ],
  },
  {
    title: 'a second request before the first answer was seen is answered whole; the older nonce is stale then',
    world: { eds: 'a@1 b@1' },
    beats: [
      [{ want: 'eds', names: 'a' }, ['1 eds a@1']],
      [{ want: 'eds', names: 'a b' }, ['2 eds a@1 b@1']],
      [{ want: 'eds', names: 'a b', ack: '1' }, [], 'stale'],
      [{ want: 'eds', names: 'a b', ack: '2' }, [], 'ack'],
    ],
  },
];

describe('incremental stream', () => {
  it.each(delta)('$title', (scenario) => playAll('delta', scenario));
});

describe('state-of-the-world stream', () => {
  it.each(sotw)('$title', (scenario) => playAll('sotw', scenario));
});

describe('state of the world over two replicas', () => {
  const resources: World = { cds: 'a@1 b@1', eds: 'a@1 b@1', lds: 'l@1', rds: 'r@1', sds: 's@1' };
  const asks: readonly Happening[] = [
    { want: 'cds' },
    { want: 'eds', names: 'b a' },
    { want: 'lds' },
    { want: 'rds', names: 'r' },
    { want: 'sds', names: 's' },
  ];

  function versionsAfter(beats: readonly Happening[], before: World = resources): Map<string, string> {
    const stream = new ScriptedStream('sotw', before);
    for (const beat of beats) stream.play(beat);
    return new Map([...stream.state.types].map(([typeUrl, type]) => [typeUrl, type.lastVersion]));
  }

  function reconnect(versions: Map<string, string>, now: World): string[] {
    const other = new ScriptedStream('sotw', now);
    return asks.flatMap((ask) => {
      if (!('want' in ask)) return [];
      const version = versions.get(types[ask.want]) ?? '';
      return other.play({ ...ask, version });
    });
  }

  it('sends nothing to a client that is up to date, in whatever order it names things', () => {
    expect(reconnect(versionsAfter(asks), resources)).toEqual([]);
  });

  it('sends the types that changed, and endpoints after clusters', () => {
    const versions = versionsAfter(asks);
    expect(reconnect(versions, { ...resources, rds: 'r@2' })).toEqual(['1 rds r@2']);
    expect(reconnect(versions, { ...resources, cds: 'a@1 b@2' })).toEqual(['1 cds a@1 b@2', '2 eds a@1 b@1']);
  });

  it('sends endpoints again when a cluster went out and its endpoints were lost with the stream', () => {
    const changed = { ...resources, cds: 'a@1 b@2' };
    const versions = versionsAfter(asks);
    versions.set(types.cds, versionsAfter([{ want: 'cds' }], changed).get(types.cds) ?? '');
    expect(reconnect(versions, changed)).toEqual(['1 eds a@1 b@1']);
  });

  it('answers a name that was asked for and never answered', () => {
    const versions = versionsAfter([{ want: 'eds', names: 'a' }]);
    expect(reconnect(versions, resources)).toContain('2 eds a@1 b@1');
  });

  it('goes on with changes after an up-to-date start', () => {
    const other = new ScriptedStream('sotw', resources);
    const versions = versionsAfter(asks);
    other.play({ want: 'cds', version: versions.get(types.cds) ?? '' });
    expect(other.play({ now: { ...resources, cds: 'a@1' } })).toEqual(['1 cds a@1']);
  });
});

describe('a stream as a value', () => {
  it('leaves the state before a step untouched', () => {
    const stream = new ScriptedStream('delta', { cds: 'a@1' });
    const before = stream.state;
    stream.play({ ask: 'cds' });
    expect(before).toMatchObject({ sequence: 0, types: new Map() });
  });

  it('counts what is on its way and keeps the refusal until the next ACK', () => {
    const stream = new ScriptedStream('delta', { cds: 'a@1', lds: 'l@1' });
    stream.play({ ask: 'cds' });
    stream.play({ ask: 'lds' });
    expect(outstanding(stream.state)).toBe(2);
    stream.play({ ask: 'lds', ack: '2', error: 'unknown field' });
    expect(outstanding(stream.state)).toBe(1);
    expect(stream.state.types.get(types.lds)?.refusal).toEqual({ nonce: '2', message: 'unknown field' });
    stream.play({ ask: 'cds', ack: '1' });
    stream.play({ now: { cds: 'a@1', lds: 'l@2' } });
    stream.play({ ask: 'lds', ack: '3' });
    expect(stream.state.types.get(types.lds)?.refusal).toBeUndefined();
  });

  it('shares the map of versions of an up-to-date client with the set', () => {
    const stream = new ScriptedStream('delta', { cds: 'a@1 b@1', eds: 'a@1 b@1' });
    stream.play({ ask: 'cds', has: 'a@1 b@1' });
    stream.play({ ask: 'eds', sub: 'a b' });
    for (const word of ['cds', 'eds'] as const) {
      expect(stream.state.types.get(types[word])?.held).toBe(stream.state.served.set(types[word])?.versions);
    }
  });
});
