import { chmodSync, chownSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expand } from '../pod/environment.js';
import type { Environment } from '../pod/environment.js';
import type { PodFacts } from '../pod/facts.js';
import { NotYet } from '../pod/fault.js';
import { writePayload } from '../pod/payload-writer.js';
import type { Container, Pod, Volume, VolumeMount } from '../pod/pod-types.js';
import type { RootMount } from '../pod/root-plan.js';
import { isPayloadVolume, payloadOf } from '../pod/volume-payload.js';
import type { TokenSource } from '../pod/volume-payload.js';

/** Folders of one pod's volumes on the node. */
export class PodVolumes {
  private readonly filled = new Set<string>();

  constructor(
    private readonly directory: string,
    /** Folder in memory, for emptyDir volumes of medium Memory. */
    private readonly memoryDirectory: string,
  ) {}

  /**
   * Brings all volumes to what they must hold now. Files that are there already stay when what they come from is gone.
   * @throws NotYet when a volume can't be filled for the first time
   */
  async sync(pod: Pod, facts: PodFacts, token: TokenSource): Promise<void> {
    const group = pod.spec.securityContext?.fsGroup;
    for (const volume of pod.spec.volumes ?? []) {
      if (isPayloadVolume(volume)) await this.fill(volume, { facts, token, group });
      else this.prepare(volume, group);
    }
  }

  /** Mounts of a container's volumeMounts. @throws NotYet when a volume or a hostPath isn't there */
  mountsOf(pod: Pod, container: Container, environment: Environment): readonly RootMount[] {
    return (container.volumeMounts ?? []).map((mount) => {
      const volume = pod.spec.volumes?.find(({ name }) => name === mount.name);
      if (volume === undefined)
        throw new NotYet('CreateContainerConfigError', `volume ${mount.name} is not in the pod`);
      const readOnly = mount.readOnly === true || isPayloadVolume(volume);
      return { source: this.sourceOf(volume, mount, environment), target: mount.mountPath, readOnly };
    });
  }

  remove(): void {
    rmSync(this.memoryDirectory, { recursive: true, force: true });
  }

  private async fill(
    volume: Volume,
    how: { readonly facts: PodFacts; readonly token: TokenSource; readonly group: number | undefined },
  ): Promise<void> {
    try {
      writePayload(this.pathOf(volume), await payloadOf(volume, how.facts, how.token), how.group);
      this.filled.add(volume.name);
    } catch (error) {
      if (this.filled.has(volume.name)) return;
      throw error instanceof NotYet
        ? new NotYet('ContainerCreating', `volume ${volume.name}: ${error.message}`)
        : new NotYet('ContainerCreating', `volume ${volume.name}: ${(error as Error).message}`);
    }
  }

  private prepare(volume: Volume, group: number | undefined): void {
    if (volume.hostPath !== undefined) {
      const { path, type = '' } = volume.hostPath;
      if (type === 'DirectoryOrCreate') mkdirSync(path, { recursive: true });
      if (statSync(path, { throwIfNoEntry: false }) === undefined && type === 'FileOrCreate') writeFileSync(path, '');
      return;
    }
    const path = this.pathOf(volume);
    if (this.filled.has(volume.name)) return;
    mkdirSync(path, { recursive: true });
    chmodSync(path, group === undefined ? 0o777 : 0o2777);
    if (group !== undefined) chownSync(path, -1, group);
    this.filled.add(volume.name);
  }

  private pathOf(volume: Volume): string {
    if (volume.hostPath !== undefined) return volume.hostPath.path;
    const inMemory = volume.emptyDir?.medium === 'Memory';
    return join(inMemory ? this.memoryDirectory : this.directory, volume.name);
  }

  private sourceOf(volume: Volume, mount: VolumeMount, environment: Environment): string {
    const root = this.pathOf(volume);
    const sub = mount.subPathExpr === undefined ? mount.subPath : expand(mount.subPathExpr, environment);
    const path = sub === undefined || sub === '' ? root : join(root, normalize(`/${sub}`));
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) return path;
    if (volume.emptyDir === undefined) {
      throw new NotYet('CreateContainerConfigError', `volume ${volume.name}: ${sub ?? path} is not there`);
    }
    mkdirSync(dirname(path), { recursive: true });
    mkdirSync(path);
    chmodSync(path, 0o777);
    return path;
  }
}
