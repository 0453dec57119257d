import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { kubeErrorFrom, KubeUnreachableError } from './errors.js';

const request = {
  method: 'PATCH',
  path: '/api/v1/namespaces/a/secrets/keys',
  body: '{"data":{"key":"c2VjcmV0"}}',
  headers: { authorization: 'Bearer c2VjcmV0' },
};

describe('errors of the API server', () => {
  it.each([400, 401, 403, 404, 409, 410, 422, 500])('%d carries nothing of what was sent', (status) => {
    const error = kubeErrorFrom(status, '{"reason":"Invalid","message":"no"}', request);
    expect(error.request).toEqual({ method: 'PATCH', path: request.path });
    expect(`${inspect(error, { depth: 9 })}${JSON.stringify(error)}`).not.toContain('c2VjcmV0');
  });

  it('nor does one for want of an answer', () => {
    const error = new KubeUnreachableError('https://api', request, new Error('refused'));
    expect(inspect(error, { depth: 9 })).not.toContain('c2VjcmV0');
  });
});
