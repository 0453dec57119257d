import { ConflictError, NotFoundError } from '#kube';
import type { KubeClient, KubeLogger } from '#kube';
import type { Pod, PodStatus } from '../pod/pod-types.js';

const retryMs = 250;

/** Brings one pod's latest status to the API server: only when it changed, one call at a time, again until it is there. */
export class StatusPublisher {
  private wanted: string | undefined;
  private published: string | undefined;
  private busy: Promise<void> | undefined;
  private over = false;

  constructor(
    private readonly client: KubeClient,
    private readonly pod: Pod,
    private readonly logger: KubeLogger,
  ) {}

  publish(status: PodStatus): void {
    this.wanted = JSON.stringify(status);
    if (this.wanted === this.published || this.over) return;
    this.start();
  }

  private start(): void {
    this.busy ??= this.run().finally(() => {
      this.busy = undefined;
      if (this.wanted !== this.published && !this.over) this.start();
    });
  }

  /** Ends all attempts; what was wanted last has had its chance. */
  async close(): Promise<void> {
    this.over = true;
    await this.busy;
  }

  private async run(): Promise<void> {
    while (this.wanted !== this.published) {
      const wanted = this.wanted;
      try {
        await this.patch(wanted);
        this.published = wanted;
      } catch (error) {
        this.over ||= error instanceof NotFoundError || error instanceof ConflictError;
        if (this.over) return;
        this.logger.warn({ err: error, pod: this.pod.metadata.name }, 'status could not be written: trying again');
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  private async patch(status: string | undefined): Promise<void> {
    const { namespace, name, uid } = this.pod.metadata;
    const wanted = JSON.parse(status ?? '{}') as PodStatus;
    // Conditions are merged by type: what a condition no longer says must be taken away in so many words.
    const conditions = (wanted.conditions ?? []).map((condition) => ({ reason: null, message: null, ...condition }));
    // With the uid a pod of the same name that came after is refused (409), not overwritten.
    const body = { metadata: { uid }, status: { ...wanted, conditions } };
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
    await this.client.patch(path, body, 'application/strategic-merge-patch+json', { timeoutMs: 15_000 });
  }
}
