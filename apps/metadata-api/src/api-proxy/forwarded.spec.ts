import { describe, expect, it } from '@jest/globals';
import { decideRequest } from './decide-request.js';
import type { Allowed } from './decide-request.js';
import { answeredHeaders, forwardedHeaders, forwardedTarget, watchSeconds } from './forwarded.js';

function allowed(target: string): Allowed {
  const decision = decideRequest({ httpVersion: '1.1', method: 'GET', target, headers: [['host', 'a']] });
  if (!decision.ok) throw new Error(decision.reason);
  return decision;
}

describe('what is forwarded', () => {
  it('is built from a list: no credential, identity or hop of the caller is in it', () => {
    const hostile = [
      'authorization',
      'connection',
      'cookie',
      'forwarded',
      'host',
      'http2-settings',
      'impersonate-user',
      'impersonate-uid',
      'keep-alive',
      'proxy-authorization',
      'te',
      'upgrade',
      'x-forwarded-for',
      'x-forwarded-client-cert',
      'x-remote-user',
      ':authority',
      ':path',
      'content-type',
      'range',
    ].map((name): [string, string] => [name, 'x']);
    const headers = forwardedHeaders(
      [...hostile, ['accept', 'application/json'], ['accept', 'application/yaml'], ['user-agent', 'pilot']],
      'list',
      'system:serviceaccount:isthmus-peers:peer-a',
    );
    expect(headers).toEqual({
      accept: 'application/json, application/yaml',
      'user-agent': 'pilot',
      'impersonate-user': 'system:serviceaccount:isthmus-peers:peer-a',
    });
    expect(forwardedHeaders([['content-type', 'x']], 'create', 'u')).toHaveProperty('content-type', 'x');
  });

  it('keeps of the answer what describes it', () => {
    const headers = {
      'Content-Type': 'a',
      'set-cookie': ['b'],
      location: 'c',
      connection: 'd',
      'www-authenticate': 'e',
    };
    expect(answeredHeaders({ ...headers, 'transfer-encoding': 'chunked', 'content-encoding': 'gzip' })).toEqual({
      'content-type': 'a',
      'content-encoding': 'gzip',
      'x-content-type-options': 'nosniff',
    });
  });

  it('gives each watch an end within its life, in the last fifth', () => {
    expect([0, 0.5, 1].map((random) => watchSeconds(undefined, 600_000, random))).toEqual([480, 540, 600]);
    expect(watchSeconds('7200', 600_000, 0)).toBe(480);
    expect(watchSeconds('60', 600_000, 0)).toBe(60);
    expect(watchSeconds('0', 600_000, 0)).toBe(480);
    expect(watchSeconds(undefined, 1_000, 0)).toBe(1);
    expect(forwardedTarget(allowed('/api/v1/pods?watch=true&timeoutSeconds=9999'), 500)).toBe(
      '/api/v1/pods?watch=true&timeoutSeconds=500',
    );
    expect(forwardedTarget(allowed('/api/v1/pods?labelSelector=a+in+(b)'), 500)).toBe(
      '/api/v1/pods?labelSelector=a%20in%20(b)',
    );
  });
});
