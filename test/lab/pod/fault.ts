/**
 * Why a container can't start yet, in the words that a pod's status uses (`CreateContainerConfigError`, `ErrImagePull`,
 * `ContainerCreating`). The agent shows it and tries again; it is no fault of the agent's own.
 */
export class NotYet extends Error {
  override readonly name = 'NotYet';

  constructor(
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}
