import { HttpException } from '@nestjs/common';
import type { TrustedPeer } from '#model';

/** An answer outside 2xx that is the caller's fault or a limit: body `{error, message}` of docs/protocol.md. */
export class Refusal extends HttpException {
  constructor(
    status: number,
    readonly reason: string,
    message: string,
    readonly more: { readonly peer?: TrustedPeer | undefined; readonly retryAfterSeconds?: number } = {},
  ) {
    super({ error: reason, message }, status);
  }
}
