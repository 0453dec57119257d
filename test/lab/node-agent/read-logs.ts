import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface LogQuery {
  readonly namespace?: string;
  /** A pod's name or what it begins with. */
  readonly pod?: string;
  /** Last lines of each container; default 20. */
  readonly lines?: number;
}

/**
 * Ends of the containers' logs under a node agent's state folder (`pods/<namespace>_<pod>_<uid>/<container>.log`), of living
 * and of gone pods, each under a heading; for the report of a failure.
 */
export function readLogs(state: string, query: LogQuery = {}): string {
  const pods = join(state, 'pods');
  const names = existsSync(pods) ? readdirSync(pods).sort() : [];
  const wanted = names.filter((name) => {
    const [namespace = '', pod = ''] = name.split('_');
    return (query.namespace === undefined || namespace === query.namespace) && pod.startsWith(query.pod ?? '');
  });
  return wanted.flatMap((name) => logsOf(join(pods, name), name, query.lines ?? 20)).join('\n');
}

function logsOf(directory: string, name: string, lines: number): readonly string[] {
  const logs = readdirSync(directory).filter((file) => file.endsWith('.log'));
  return logs.sort().map((file) => {
    const text = readFileSync(join(directory, file), 'utf8').trimEnd();
    const [namespace = '', pod = ''] = name.split('_');
    return `--- ${namespace}/${pod} ${file.slice(0, -4)}\n${text.split('\n').slice(-lines).join('\n')}`;
  });
}
