import { ServerCredentials } from '@grpc/grpc-js';
import type { ServerCertificate } from './certificate-authority.js';

/** TLS of the xDS port; a new certificate counts from the next handshake on, open streams stay. */
export class MeshServerCredentials extends ServerCredentials {
  constructor(certificate: ServerCertificate) {
    // Agents without a certificate of their own come here to get one: nobody is asked for one, tokens prove who they are.
    super({ requestCert: false, minVersion: 'TLSv1.2' }, contextOf(certificate));
  }

  reload(certificate: ServerCertificate): void {
    this.updateSecureContextOptions(contextOf(certificate));
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}

function contextOf({ cert, key }: ServerCertificate): { cert: string; key: string } {
  return { cert, key };
}
