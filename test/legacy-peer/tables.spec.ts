import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { createIdentity, workloadCertificate } from './tables.js';

/** As OpenSSL shows a certificate: an extension by its long name. */
function shown(pem: string): string {
  return execFileSync('openssl', ['x509', '-noout', '-text'], { input: pem, encoding: 'utf8' });
}

describe('certificates of the legacy peer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'legacy-peer-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('carry no key ids, the root no KeyUsage: what a peer’s certificates may lack, they lack', () => {
    const identity = createIdentity(folder, 'legacy.example', 'uuid');
    const root = shown(identity.rootPem);
    expect(root).toContain('CA:TRUE');
    expect(root).not.toMatch(/Key Identifier|Key Usage/);
    const leaf = shown(workloadCertificate(identity, folder, 'client', 'spiffe://legacy.example/ns/a/sa/b').cert);
    expect(leaf).toContain('URI:spiffe://legacy.example/ns/a/sa/b');
    expect(leaf).not.toContain('Key Identifier');
  });
});
