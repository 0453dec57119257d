import type { RunningProcess } from './supervisor.js';

/** What the process inside the lab's namespaces tells the one outside. */
export type FromInside =
  | { readonly type: 'progress'; readonly text: string }
  | { readonly type: 'processes'; readonly running: readonly RunningProcess[] }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly message: string };

/** The other way: `listen` comes with a listening socket of the outer network, behind which the cluster's API server shall answer. */
export type ToInside =
  | { readonly type: 'listen'; readonly cluster: string }
  /** `remove`: files of users that only exist inside can't be removed from outside. */
  | { readonly type: 'stop'; readonly remove: boolean };
