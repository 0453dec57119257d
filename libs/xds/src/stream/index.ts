export { servedFromSnapshot } from './from-snapshot.js';
export { resourceSet, servedFrom } from './served.js';
export type { ResourceSet, Served } from './served.js';
export { openStream, outstanding } from './state.js';
export type {
  DeltaRequest,
  Digest,
  Outgoing,
  Protocol,
  Reading,
  Refusal,
  SotwRequest,
  Step,
  StreamEvent,
  StreamState,
  TypeState,
} from './state.js';
export { step } from './step.js';
export type { Subscription } from './subscription.js';
export { pushOrder, ruleOf } from './type-rules.js';
