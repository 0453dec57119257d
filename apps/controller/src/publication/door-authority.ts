import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCertificate, splitCertificates } from '#trust';

/**
 * What peers check the door's certificate against (`tlsCA`, PEM): `ca.crt` of its Secret, else the certificate itself where it signed itself, else
 * nothing, since a public authority issued it.
 */
export function doorAuthority(directory: string): string {
  const given = readIfThere(join(directory, 'ca.crt'));
  if (given.trim() !== '') return given;
  const [leaf] = splitCertificates(readIfThere(join(directory, 'tls.crt')));
  if (leaf === undefined) return '';
  const { subject, issuer, pem } = parseCertificate(leaf);
  return subject === issuer ? pem : '';
}

/** Text of a file that may not be there. */
export function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
