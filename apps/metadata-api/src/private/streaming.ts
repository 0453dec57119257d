import type { Request, Response } from 'express';
import { peerKey } from '#model';
import type { Scope } from '#model';
import type { Auditor } from '../audit.js';
import type { CutReport } from '../cut-report.js';
import { Refusal } from '../auth/refusal.js';
import type { VerifiedPeer } from '../auth/peer-strategy.js';
import type { Knowledge } from '../documents/knowledge.js';
import { actionOf } from '../http/entry.js';
import { noteDetail } from '../http/send-document.js';
import type { DoorMetrics } from '../metrics.js';
import { DocumentStream } from './document-stream.js';
import type { StreamRegister } from './document-stream.js';

export interface StreamingParts {
  readonly knowledge: Knowledge;
  readonly register: StreamRegister;
  readonly auditor: Auditor;
  readonly metrics: DoorMetrics;
  readonly cuts: CutReport;
  readonly draining: () => boolean;
  readonly lifeMs: number;
}

/** Opens streams for verified peers and notes each document that is sent. */
export class Streaming {
  readonly #parts: StreamingParts;

  constructor(parts: StreamingParts) {
    this.#parts = parts;
  }

  open(request: Request, response: Response, { peer }: VerifiedPeer, scope: Scope): void {
    const { knowledge, register, auditor, metrics, cuts, draining, lifeMs } = this.#parts;
    if (draining()) {
      throw new Refusal(503, 'draining', 'this replica is going away; connect again', { peer, retryAfterSeconds: 1 });
    }
    const key = peerKey(peer);
    if (!register.hasRoomFor(key)) {
      throw new Refusal(429, 'stream-limit', 'this peer holds too many streams open', { peer, retryAfterSeconds: 10 });
    }
    const action = actionOf(request);
    const lastEventId = request.headers['last-event-id'];
    const stream = new DocumentStream({
      response,
      lifeMs,
      lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
      current: () => knowledge.privateDocument(peer),
      onChange: (listener) => knowledge.onChange(listener),
      standing: () => knowledge.standingOf(peer, scope),
      onSent: ({ seq }) => {
        metrics.documentsStreamed.inc();
        auditor.note({ peer, action, status: 200, detail: `seq=${seq}`, sourceAddress: request.ip });
      },
    });
    register.add(key, stream);
    void stream.ended.then((end) => {
      noteDetail(response, `stream ended: ${end}`);
      if (end === 'untrusted') cuts.note(peer, 'stream');
    });
  }
}
