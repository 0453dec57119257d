// A peer written from the tables of docs/protocol.md alone, as a stranger would: node:* and openssl only, none of our libs.
import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface LegacyIdentity {
  readonly clusterUUID: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly signingKey: KeyObject;
  readonly signingKeyPem: string;
  readonly rootPem: string;
  readonly rootFile: string;
  readonly rootKeyFile: string;
}

/** OpenSSL adds key identifiers (RFC 5280, sections 4.2.1.1 and 4.2.1.2) that nobody asked for, unless it is told not to. */
const noKeyIds = 'subjectKeyIdentifier=none\nauthorityKeyIdentifier=none\n';

/** RSA root without key ids and without KeyUsage, Ed25519 key under the block type of the reference system. */
export function createIdentity(folder: string, trustDomain: string, clusterUUID: string): LegacyIdentity {
  const rootFile = join(folder, 'root.pem');
  const rootKeyFile = join(folder, 'root-key.pem');
  const configuration = join(folder, 'root.cnf');
  writeFileSync(
    configuration,
    `[req]\ndistinguished_name=dn\nx509_extensions=ca\nprompt=no\n[dn]\nO=legacy\n[ca]\nbasicConstraints=critical,CA:TRUE\n${noKeyIds}`,
  );
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '3650',
      '-config',
      configuration,
      '-keyout',
      rootKeyFile,
      '-out',
      rootFile,
    ],
    { stdio: 'ignore' },
  );
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const pkix = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return {
    clusterUUID,
    trustDomain,
    clusterDomain: trustDomain,
    signingKey: privateKey,
    signingKeyPem: pkix.replaceAll('PUBLIC KEY', 'ED25519 PUBLIC KEY'),
    rootPem: readFileSync(rootFile, 'utf8'),
    rootFile,
    rootKeyFile,
  };
}

/** Compact JWS as the reference system makes it: no `jti`, no `iat`, a minute to live. */
export function tokenFor(identity: LegacyIdentity, audience: string, scope: string, now = Date.now()): string {
  const seconds = Math.floor(now / 1000);
  const claims = { iss: 'd8-istio', aud: audience, sub: identity.clusterUUID, scope, nbf: seconds, exp: seconds + 60 };
  const text = `${encode({ alg: 'EdDSA' })}.${encode(claims)}`;
  return `${text}.${sign(null, Buffer.from(text), identity.signingKey).toString('base64url')}`;
}

export interface LegacyPeerKeys {
  readonly clusterUUID: string;
  readonly authnKeyPub: string;
  readonly rootCA: string;
}

/** What the reference system checks of a token: signature, audience, scope, expiry. Text = why it is refused. */
export function refusal(
  token: string,
  peers: readonly LegacyPeerKeys[],
  own: string,
  scope: string,
): string | undefined {
  const [head = '', body = '', signature = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
  const peer = peers.find((candidate) => candidate.clusterUUID === claims['sub']);
  if (peer === undefined) return `no peer ${String(claims['sub'])}`;
  const key = createPublicKey(peer.authnKeyPub.replaceAll('ED25519 PUBLIC KEY', 'PUBLIC KEY'));
  if (!verify(null, Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'))) return 'signature';
  const audiences = [claims['aud']].flat();
  if (!audiences.includes(own)) return `audience ${JSON.stringify(claims['aud'])}`;
  if (claims['scope'] !== scope) return `scope ${String(claims['scope'])}`;
  return Number(claims['exp']) * 1000 < Date.now() ? 'expired' : undefined;
}

/** Workload certificate of this peer, RSA, without key ids, for calls into other clusters; files `<name>.pem` and `<name>-key.pem`. */
export function workloadCertificate(
  identity: LegacyIdentity,
  folder: string,
  name: string,
  spiffeId: string,
): { cert: string; key: string } {
  const key = join(folder, `${name}-key.pem`);
  const request = join(folder, `${name}.csr`);
  const cert = join(folder, `${name}.pem`);
  const extensions = join(folder, `${name}.ext`);
  writeFileSync(
    extensions,
    `subjectAltName=critical,URI:${spiffeId}\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\n${noKeyIds}`,
  );
  execFileSync(
    'openssl',
    ['req', '-new', '-newkey', 'rsa:2048', '-nodes', '-subj', '/', '-keyout', key, '-out', request],
    { stdio: 'ignore' },
  );
  execFileSync(
    'openssl',
    [
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      identity.rootFile,
      '-CAkey',
      identity.rootKeyFile,
      '-CAcreateserial',
      '-days',
      '1',
      '-extfile',
      extensions,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  );
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

/** Self-signed certificate of a server at an address; files `<name>.pem` and `<name>-key.pem`. */
export function serverCertificate(folder: string, name: string, host: string): { cert: string; key: string } {
  const [key, cert] = [join(folder, `${name}-key.pem`), join(folder, `${name}.pem`)];
  const kind = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30'];
  const names = ['-subj', '/CN=legacy', '-addext', `subjectAltName=IP:${host}`];
  execFileSync('openssl', [...kind, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
