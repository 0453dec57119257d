import { advance } from './advance.js';
import { deltaRequest } from './delta.js';
import { sotwRequest } from './sotw.js';
import type { Step, StreamEvent, StreamState } from './state.js';

/** One event of one aggregated stream: the state after it and the responses to write, in that order. Pure. */
export function step(state: StreamState, event: StreamEvent): Step {
  switch (event.kind) {
    case 'served':
      return advance({ ...state, served: event.served });
    case 'delta-request':
      return deltaRequest(state, event);
    case 'sotw-request':
      return sotwRequest(state, event);
  }
}
