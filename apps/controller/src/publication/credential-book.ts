import { randomBytes } from 'node:crypto';

/** Credentials of local readers made in this term as leader: a pass that runs before the copy of the API shows the last one's must not make others. */
export class CredentialBook {
  readonly #made = new Map<string, string>();

  /** The credential of one reader for one peer: the one that is kept in the reader's Secret, else the one made before, else a new one. */
  credential(reader: string, peer: string, kept: string | undefined): string {
    const key = `${reader}/${peer}`;
    const credential = kept ?? this.#made.get(key) ?? randomBytes(32).toString('base64url');
    this.#made.set(key, credential);
    return credential;
  }
}
