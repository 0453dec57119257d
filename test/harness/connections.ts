import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** State of a connection that is established, in /proc/net/tcp. */
const established = '01';

/** TCP connections of this process, as they are now, to a port of whichever host. */
export function connectionsTo(port: number): number {
  const own = new Set(readdirSync('/proc/self/fd').map(linkOf));
  const to = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return ['tcp', 'tcp6']
    .flatMap((table) => readFileSync(`/proc/self/net/${table}`, 'utf8').trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , remote, state, , , , , , inode]) => {
      return remote?.endsWith(to) === true && state === established && own.has(`socket:[${inode}]`);
    }).length;
}

/** A file may have been closed since it was listed. */
function linkOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return '';
  }
}
