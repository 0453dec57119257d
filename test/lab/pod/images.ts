import { readFileSync } from 'node:fs';
import { NotYet } from './fault.js';
import type { Container } from './pod-types.js';

/** What stands for a container image in the lab: a local command and the files that the image would contain. */
export interface LocalImage {
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly mounts?: readonly { readonly from: string; readonly to: string }[];
  /** User id of the image; 0 unless said. */
  readonly user?: number;
  readonly workingDir?: string;
}

/** Image reference without tag and digest: `registry:5000/a/b:1@sha256:…` gives `registry:5000/a/b`. */
export function imageName(reference: string): string {
  const [undigested = ''] = reference.split('@');
  const colon = undigested.lastIndexOf(':');
  return colon > undigested.lastIndexOf('/') ? undigested.slice(0, colon) : undigested;
}

/**
 * The local image behind a container, read from the file anew each time so that the lab may add to it.
 * @throws NotYet when the file doesn't name the image
 */
export function localImage(file: string, container: Container): LocalImage {
  const images = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, LocalImage>>;
  const image = images[imageName(container.image ?? '')];
  if (image === undefined) {
    throw new NotYet('ErrImagePull', `image ${container.image ?? ''} is not in ${file}: add it with a local command`);
  }
  return image;
}

/** Command line by Kubernetes' rules: a container's command discards both of the image's, its args only the image's args. */
export function commandOf(container: Container, image: LocalImage): readonly string[] {
  const own = container.command ?? [];
  const ownArgs = container.args ?? [];
  const command = own.length > 0 ? own : (image.command ?? []);
  const args = ownArgs.length > 0 ? ownArgs : own.length > 0 ? [] : (image.args ?? []);
  if (command.length + args.length === 0) {
    throw new NotYet('CreateContainerConfigError', `neither container ${container.name} nor its image names a command`);
  }
  return [...command, ...args];
}
