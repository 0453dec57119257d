/** Wakes one waiting loop. A ring that nobody waits for is kept for the next wait. */
export class Bell {
  private rung = false;
  private waiter: (() => void) | undefined;

  ring(): void {
    this.rung = true;
    this.waiter?.();
  }

  /** Resolves at the next ring, or after so many milliseconds. */
  async wait(milliseconds?: number): Promise<void> {
    if (!this.rung) {
      await new Promise<void>((resolve) => {
        const timer = milliseconds === undefined ? undefined : setTimeout(resolve, Math.max(0, milliseconds));
        this.waiter = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.waiter = undefined;
    }
    this.rung = false;
  }
}
