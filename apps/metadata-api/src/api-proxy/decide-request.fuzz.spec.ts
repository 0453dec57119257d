import { describe, it } from '@jest/globals';
import { brokenText, fuzz, fuzzLimitMs, fuzzRuns } from '#testing';
import type { Dice } from '#testing';
import { queryText } from './decide-query.js';
import { decideRequest } from './decide-request.js';
import type { Allowed } from './decide-request.js';
import { isReadable, isReadableGroup, readableGroups, readableResources } from './readable-resources.js';
import type { HeaderField, RequestHead } from './request-head.js';

const groups = [
  ...readableGroups,
  ...Object.keys(readableResources),
  'rbac.authorization.k8s.io',
  'authorization.k8s.io',
];
const kinds = ['secrets', 'configmaps', 'tokenreviews', 'subjectaccessreviews', 'virtualservices', 'watch', 'proxy'];
const resources = [...Object.values(readableResources).flat(), ...kinds];
const segments = [
  '..',
  '.',
  '',
  '%2e%2e',
  'a%2fb',
  'A',
  'exec',
  'log',
  'status',
  'istio',
  'default',
  '\u0000',
  'x'.repeat(260),
];
const parameters = [
  'watch=true',
  'watch=0',
  'limit=500',
  'fieldSelector=metadata.name=istio',
  'fieldSelector=metadata.name%3Distio-a',
  'labelSelector=a%20b',
  'labelSelector=a+b%26c',
  'resourceVersion=0',
  'timeout=32s',
  'token=x',
  'dryRun=All',
  '%77atch=1',
  'watch',
  'continue=a/b==',
];
const headers: readonly HeaderField[] = [
  ['content-length', '2'],
  ['content-length', '0'],
  ['transfer-encoding', 'chunked'],
  ['impersonate-user', 'x'],
  ['upgrade', 'spdy/3.1'],
  ['x-http-method-override', 'DELETE'],
  ['host', 'other.example'],
  ['accept', 'application/json'],
];

/** A target that is mostly of the right form: some readable, some not, some spelled in another way. */
function targetFrom(dice: Dice): string {
  const group = dice.pick(groups);
  const root = group === '' ? '/api/v1' : `/apis/${group}/${dice.pick(['v1', 'v1beta1', 'v1', 'V1', 'v1/watch'])}`;
  const namespace = dice.next(2) === 0 ? '' : `/namespaces/${dice.pick(['default', 'istio-system', ...segments])}`;
  const own = readableResources[group];
  const resource = own === undefined || dice.next(4) === 0 ? dice.pick(resources) : dice.pick(own);
  const rest = dice.next(2) === 0 ? [] : dice.list(3, () => dice.pick(segments));
  const path = [`${root}${namespace}/${resource}`, ...rest].join('/');
  const query = dice.list(3, () => dice.pick(parameters)).join('&');
  const target = dice.pick([path, path, path, root, `/apis/${group}`, '/version']) + (query === '' ? '' : `?${query}`);
  return dice.next(4) === 0 ? brokenText(dice, target) : target;
}

function headFrom(dice: Dice): RequestHead {
  const two = dice.next(4) === 0;
  return {
    httpVersion: two ? '2.0' : dice.pick(['1.1', '1.1', '1.1', '1.0']),
    method: dice.pick(['GET', 'GET', 'GET', 'POST', 'DELETE', 'PATCH', 'get']),
    target: targetFrom(dice),
    headers: [
      [two ? ':authority' : 'host', 'api.here.example'],
      ['authorization', 'Bearer x'],
      ...(dice.next(3) === 0 ? dice.list(3, () => dice.pick(headers)) : []),
    ],
    ...(two ? { endsWithHeaders: dice.next(5) > 0 } : {}),
  };
}

const reviews = ['tokenreviews.authentication.k8s.io', 'subjectaccessreviews.authorization.k8s.io'];

/** `[group, version, ...rest]` of a canonical path. */
function parts(path: string): readonly string[] {
  const [root, ...rest] = path.slice(1).split('/');
  return root === 'api' ? ['', ...rest] : rest;
}

/** What was allowed may be told from its path alone, by other means than the judge's own. */
function isOnTheList(allowed: Allowed): boolean {
  const { answer, verb, resource, path } = allowed;
  const [group = '', , ...rest] = parts(path);
  if (answer === 'review') return verb === 'create' && reviews.includes(resource) && rest.length === 1;
  if (resource !== 'discovery') return verb !== 'create' && isReadableKind(allowed, group, rest);
  return verb === 'get' && rest.length === 0 && (path === '/version' || group === '' || isReadableGroup(group));
}

function isReadableKind({ answer, verb, resource }: Allowed, group: string, rest: readonly string[]): boolean {
  const [kind = '', name, ...more] = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest;
  if (more.length > 0 || (verb === 'get') !== (name !== undefined)) return false;
  const ours = { 'no-secrets': '/secrets', 'mesh-config': '/configmaps', forward: undefined, review: undefined }[
    answer
  ];
  if (ours !== undefined) return `${group}/${kind}` === ours && name === undefined;
  const full = group === '' ? kind : `${kind}.${group}`;
  return resource === full && full !== 'secrets' && isReadable(group, kind);
}

/** A request of the right form: readable or not, but spelled as it should be. */
function tameHead(dice: Dice): RequestHead {
  const group = dice.pick([...readableGroups, ...Object.keys(readableResources), ...Object.keys(readableResources)]);
  const root = group === '' ? '/api/v1' : `/apis/${group}/v1`;
  const namespace = dice.pick(['', '', '/namespaces/default', '/namespaces/istio-system']);
  const resource = dice.next(4) === 0 ? dice.pick(resources) : dice.pick(readableResources[group] ?? ['gateways']);
  const query = dice.pick([
    '',
    '',
    '?watch=true',
    '?limit=500&labelSelector=a+b%26c',
    '?fieldSelector=metadata.name%3Distio',
  ]);
  const target = `${root}${namespace}/${resource}${dice.next(3) === 0 ? '/name' : query}`;
  const review = dice.next(10) === 0;
  return {
    httpVersion: '1.1',
    method: review ? 'POST' : 'GET',
    target: review ? `/apis/${dice.pick(['authentication', 'authorization'])}.k8s.io/v1/${resource}` : target,
    headers: [['host', 'api.here.example'], ...(review ? ([['content-length', '2']] as const) : [])],
  };
}

/** Of the right method, on the list, and the same when what is passed on is judged again. */
function mustBeReadable(head: RequestHead, decision: Allowed): void {
  const { path, query } = decision;
  const write = head.method !== (decision.answer === 'review' ? 'POST' : 'GET');
  if (write || !isOnTheList(decision)) throw new Error(`${head.method} ${head.target} ${decision.answer}`);
  if (path !== head.target.split('?')[0] || new URL(path, 'https://api').pathname !== path) throw new Error(path);
  const passedOn = `${path}${queryText(query)}`;
  const again = decideRequest({ ...head, target: passedOn });
  if (!again.ok || `${again.path}${queryText(again.query)}` !== passedOn) throw new Error(passedOn);
  if (again.answer !== decision.answer || again.verb !== decision.verb) throw new Error(passedOn);
}

describe('requests at the door', () => {
  it(
    'whatever is allowed is on the list, a read, in its one spelling; the rest is refused with a short reason',
    () => {
      let allowed = 0;
      fuzz((dice) => {
        const head = dice.next(3) === 0 ? tameHead(dice) : headFrom(dice);
        const decision = decideRequest(head);
        if (!decision.ok) {
          const told = decision.status >= 400 && decision.reason !== '' && decision.message.length <= 600;
          if (!told) throw new Error(decision.message);
          return;
        }
        allowed += 1;
        mustBeReadable(head, decision);
      });
      if (allowed < fuzzRuns / 20) throw new Error(`${allowed} were allowed: the inputs are too wild to show anything`);
    },
    fuzzLimitMs,
  );
});
