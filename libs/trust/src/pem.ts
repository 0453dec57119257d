/** One block of a PEM text (RFC 7468): its label and the DER bytes inside. */
export interface PemBlock {
  readonly label: string;
  readonly der: Buffer;
}

/** One class for the whole body, spaces too: with two that overlap a long run of spaces without an end would take the square of its length. */
const block = /-----BEGIN ([A-Z0-9 ]{1,60})-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/** All blocks of a PEM text, in order; text around them is passed over, as RFC 7468 section 2 allows. Never throws. */
export function decodePem(text: string): readonly PemBlock[] {
  return [...text.matchAll(block)].map((match) => ({
    label: match[1] ?? '',
    der: Buffer.from((match[2] ?? '').replace(/\s+/g, ''), 'base64'),
  }));
}

/** PEM text of one DER value, lines of 64 characters, with a trailing newline. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** The certificates of a bundle, each as PEM of its own, in order, duplicates dropped. */
export function splitCertificates(bundle: string): readonly string[] {
  const each = decodePem(bundle)
    .filter(({ label }) => label === 'CERTIFICATE')
    .map(({ der }) => encodePem('CERTIFICATE', der));
  return [...new Set(each)];
}

/** The revocation lists of a text, each as PEM of its own under RFC 7468's label, in order; some tools write `CRL`. */
export function splitCrls(text: string): readonly string[] {
  return decodePem(text)
    .filter(({ label }) => label === 'X509 CRL' || label === 'CRL')
    .map(({ der }) => encodePem('X509 CRL', der));
}
