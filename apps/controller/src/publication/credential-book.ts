import { randomBytes } from 'node:crypto';

interface Made {
  readonly credential: string;
  /** It was seen in the reader's Secret: from then on its absence there is somebody's wish. */
  readonly seen: boolean;
}

/** Credentials of local readers in this term as leader: a pass that runs before the copy of the API shows the last one's must not make others. */
export class CredentialBook {
  readonly #made = new Map<string, Made>();

  /**
   * The credential of one reader for one peer: as the reader's Secret has it; the one before while there is no such Secret (somebody deleted it)
   * or it was never seen there; a new one where its key was taken out. `secret` = texts by name of the peer.
   */
  credential(reader: string, peer: string, secret: Readonly<Record<string, string>> | undefined): string {
    const key = `${reader}/${peer}`;
    const made = this.#made.get(key);
    const kept = secret?.[peer];
    const takenOut = secret !== undefined && made?.seen === true;
    const credential = kept ?? (takenOut ? undefined : made?.credential) ?? randomBytes(32).toString('base64url');
    this.#made.set(key, { credential, seen: kept !== undefined || (made?.seen === true && !takenOut) });
    return credential;
  }
}
