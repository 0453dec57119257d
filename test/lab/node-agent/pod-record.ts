import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIdentity } from '../pod/processes.js';
import type { Termination } from '../pod/pod-types.js';

/** What the node remembers of one container, over its own restarts too. Times are RFC 3339. */
export interface ContainerRecord {
  /** How often it was started before: the restartCount of its status. */
  readonly attempt: number;
  /** Marks of this attempt, see `Landmarks`. */
  readonly id: string;
  readonly process?: ProcessIdentity;
  readonly startedAt?: string;
  /** Set when this attempt has ended. */
  readonly ended?: Termination;
  /** End of the attempt before. */
  readonly previous?: Termination;
  /** Deaths in a row, for the pause before the next start. */
  readonly deaths: number;
  /** Words that run a command as the container's process, see `asContainer`. */
  readonly prefix: readonly string[];
}

/** What the node remembers of one pod. */
export interface PodRecord {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly podIp: string;
  readonly startTime: string;
  readonly sandbox?: { readonly attempt: number; readonly process: ProcessIdentity };
  /** The last sandbox that was begun; without `sandbox` its start has not been seen to succeed. */
  readonly sandboxAttempt?: number;
  readonly containers: Readonly<Record<string, ContainerRecord>>;
  /** Name of the first app container, where commands are run. */
  readonly mainContainer: string;
  readonly ready: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** Set when the work of a pod that isn't to be restarted is done. */
  readonly finished?: 'succeeded' | 'failed';
  /** Unix ms at which what is left of a pod that is being deleted is killed. */
  readonly killAt?: number;
}

const recordFile = 'pod.json';

export function podDirectory(state: string, pod: { namespace: string; name: string; uid: string }): string {
  return join(state, 'pods', `${pod.namespace}_${pod.name}_${pod.uid}`);
}

export function saveRecord(state: string, record: PodRecord): void {
  const directory = podDirectory(state, record);
  mkdirSync(directory, { recursive: true });
  const file = join(directory, recordFile);
  writeFileSync(`${file}.tmp`, JSON.stringify(record));
  renameSync(`${file}.tmp`, file);
}

/** Records of all pods that this node runs, sorted by folder name. */
export function readRecords(state: string): readonly PodRecord[] {
  return listOf(join(state, 'pods'))
    .sort()
    .flatMap((name) => {
      try {
        return [JSON.parse(readFileSync(join(state, 'pods', name, recordFile), 'utf8')) as PodRecord];
      } catch {
        return []; // A pod that is gone leaves its logs only.
      }
    });
}

/** Removes all of a pod but its logs, which are worth reading after a failure. */
export function forgetPod(state: string, record: PodRecord): void {
  const directory = podDirectory(state, record);
  for (const name of listOf(directory)) {
    if (!name.endsWith('.log')) rmSync(join(directory, name), { recursive: true, force: true });
  }
}

function listOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** The record of one pod in memory and, after every change, on disk. */
export class PodMemory {
  constructor(
    private readonly state: string,
    private current: PodRecord,
  ) {
    saveRecord(state, current);
  }

  get record(): PodRecord {
    return this.current;
  }

  change(part: Partial<PodRecord>): void {
    this.replace({ ...this.current, ...part });
  }

  /** Notes a start before it happens: the sandbox before and all containers in it count no more. */
  beginSandbox(attempt: number): void {
    const { sandbox, ...rest } = this.current;
    this.replace({ ...rest, sandboxAttempt: attempt, containers: sandbox === undefined ? rest.containers : {} });
  }

  private replace(record: PodRecord): void {
    this.current = record;
    saveRecord(this.state, record);
  }

  container(name: string): ContainerRecord | undefined {
    return this.current.containers[name];
  }

  changeContainer(name: string, record: ContainerRecord): void {
    this.change({ containers: { ...this.current.containers, [name]: record } });
  }

  /** Removes what is on disk, logs excepted. */
  forget(): void {
    forgetPod(this.state, this.current);
  }
}
