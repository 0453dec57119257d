import { describe, expect, it } from '@jest/globals';
import { inlineKubeconfigAccess, KubeconfigRefusedError } from './inline-kubeconfig.js';

const pem = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n';
const data = Buffer.from(pem).toString('base64');

interface Parts {
  readonly cluster?: object;
  readonly user?: object;
  readonly rest?: object;
}

function kubeconfig({ cluster = {}, user = {}, rest = {} }: Parts = {}): string {
  return JSON.stringify({
    clusters: [
      {
        name: 'west',
        cluster: { server: 'https://out.svc/peers/west/', 'certificate-authority-data': data, ...cluster },
      },
    ],
    users: [{ name: 'west', user: { token: 'secret', ...user } }],
    contexts: [{ name: 'west', context: { cluster: 'west', user: 'west' } }],
    'current-context': 'west',
    ...rest,
  });
}

describe('inlineKubeconfigAccess', () => {
  it('takes server with its path, CA and token', async () => {
    const access = inlineKubeconfigAccess(kubeconfig());
    expect(access.server).toBe('https://out.svc/peers/west');
    expect(access.tls()).toEqual({ ca: pem });
    expect(await access.headers()).toEqual({ authorization: 'Bearer secret' });
  });

  it('reads YAML, and the name that the certificate is checked against', () => {
    const text = [
      'clusters: [{name: a, cluster: {server: "https://10.0.0.1:6443", tls-server-name: kubernetes}}]',
      'users: [{name: b, user: {token: t}}]',
      'contexts: [{name: only, context: {cluster: a, user: b}}]',
    ].join('\n');
    expect(inlineKubeconfigAccess(text).tls()).toEqual({ servername: 'kubernetes' });
  });

  it.each([
    ['a program', kubeconfig({ user: { exec: { command: 'aws' } } }), /user\.exec runs a program/],
    ['a plugin', kubeconfig({ user: { 'auth-provider': { name: 'gcp' } } }), /auth-provider/],
    ['a token file', kubeconfig({ user: { tokenFile: '/etc/passwd' } }), /tokenFile names a file/],
    ['a key file', kubeconfig({ user: { 'client-key': '/x' } }), /client-key names a file/],
    ['a certificate file', kubeconfig({ user: { 'client-certificate': '/x' } }), /client-certificate/],
    ['a CA file', kubeconfig({ cluster: { 'certificate-authority': '/x' } }), /use certificate-authority-data/],
    ['no verification', kubeconfig({ cluster: { 'insecure-skip-tls-verify': true } }), /trusts anybody/],
    ['a proxy', kubeconfig({ cluster: { 'proxy-url': 'http://p' } }), /proxy-url/],
    ['a password', kubeconfig({ user: { username: 'u', password: 'p' } }), /password login/],
    ['plain http', kubeconfig({ cluster: { server: 'http://a' } }), /https/],
    ['no server', kubeconfig({ cluster: { server: undefined } }), /https/],
    ['no token', kubeconfig({ user: { token: '' } }), /user\.token/],
    ['a token that breaks headers', kubeconfig({ user: { token: 'a\nb' } }), /user\.token/],
    ['a CA that is none', kubeconfig({ cluster: { 'certificate-authority-data': 'AAAA' } }), /no PEM/],
    ['no context', kubeconfig({ rest: { contexts: [] } }), /current-context/],
    ['an empty context', kubeconfig({ rest: { contexts: [{ name: 'west', context: null }] } }), /current-context/],
    ['a server that is https to a URL parser alone', kubeconfig({ cluster: { server: 'https:h' } }), /https/],
    ['no cluster', kubeconfig({ rest: { clusters: 5 } }), /no cluster/],
    ['no user', kubeconfig({ rest: { users: [null] } }), /no user/],
    ['a text', 'hello', /not a YAML map/],
    ['broken YAML', '{', /not YAML/],
  ])('refuses %s', (_title, text, message) => {
    expect(() => inlineKubeconfigAccess(text)).toThrow(KubeconfigRefusedError);
    expect(() => inlineKubeconfigAccess(text)).toThrow(message);
  });
});
