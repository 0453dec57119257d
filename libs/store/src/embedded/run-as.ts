import { readFileSync } from 'node:fs';

/** Unprivileged account that PostgreSQL runs as when we are root (it refuses root). */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

interface PasswdEntry extends Account {
  readonly name: string;
}

/** Entries of /etc/passwd (passwd(5)). */
export function passwdEntries(file = '/etc/passwd'): readonly PasswdEntry[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 4)
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
}

/** `nobody` when we are root, otherwise undefined: run as ourselves. */
export function accountForPostgres(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const nobody = passwdEntries().find((entry) => entry.name === 'nobody');
  return nobody === undefined ? { uid: 65_534, gid: 65_534 } : { uid: nobody.uid, gid: nobody.gid };
}

/**
 * Command line for initdb, which insists on a user name. An arbitrary user id without one (usual in pods) is shown to it as
 * `nobody` through a user namespace; files still belong to the real id.
 */
export function initdbCommand(initdb: string, args: readonly string[]): readonly [string, readonly string[]] {
  const uid = process.getuid?.() ?? 0;
  const isNamed = uid === 0 || passwdEntries().some((entry) => entry.uid === uid);
  if (isNamed) return [initdb, args];
  return ['unshare', ['--user', '--map-user=65534', '--map-group=65534', initdb, ...args]];
}
