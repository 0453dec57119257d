import type { Readable } from 'node:stream';
import type { ApiObject } from './object.js';

/** Query parameters; `undefined` values are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface CallOptions {
  readonly query?: Query;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call; default 30 000. */
  readonly timeoutMs?: number;
}

export interface ListOptions extends CallOptions {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Objects per page; default 500. */
  readonly pageSize?: number;
}

export interface WriteOptions extends CallOptions {
  readonly dryRun?: boolean;
}

export interface ApplyOptions extends WriteOptions {
  readonly fieldManager: string;
  /** Take over fields that another manager owns; default true, as controllers do. */
  readonly force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  /** Delete only if it is still this object. */
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

export interface RawRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD' | 'OPTIONS';
  readonly path: string;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A streamed answer with status 200; ending it is the caller's business (`signal`). */
export interface StreamResponse {
  readonly body: Readable;
}

/** The media types of the four kinds of PATCH. */
export type PatchType =
  | 'application/apply-patch+yaml'
  | 'application/merge-patch+json'
  | 'application/strategic-merge-patch+json'
  | 'application/json-patch+json';

/**
 * One cluster's API over one small pool of connections. Paths come from `pathFor`. Every answer outside 2xx throws a
 * `KubeApiError` (or a kind of it), no answer a `KubeUnreachableError`; only `get` answers 404 with `undefined`, `delete` with false.
 */
export interface KubeClient {
  /** Base URL, without a trailing slash. */
  readonly server: string;
  get<T extends ApiObject>(path: string, options?: CallOptions): Promise<T | undefined>;
  /** All objects of a collection, page by page; items carry the list's apiVersion and kind. */
  list<T extends ApiObject>(path: string, options?: ListOptions): Promise<T[]>;
  create<T extends ApiObject>(object: T, options?: WriteOptions): Promise<T>;
  /** PUT; with `metadata.resourceVersion` it is guarded against changes in between (ConflictError). */
  replace<T extends ApiObject>(object: T, options?: WriteOptions & { readonly subresource?: string }): Promise<T>;
  /** True when something was deleted, false when it was not there (or not that uid). */
  delete(path: string, options?: DeleteOptions): Promise<boolean>;
  /** Server-side apply. */
  apply<T extends ApiObject>(object: T, options: ApplyOptions): Promise<T>;
  /** Server-side apply on the status subresource; fields of other managers stay. */
  applyStatus<T extends ApiObject>(object: T, options: ApplyOptions): Promise<T>;
  patch<T extends ApiObject>(path: string, body: unknown, type: PatchType, options?: WriteOptions): Promise<T>;
  /** Any request, any answer: does not throw for HTTP statuses. */
  request(request: RawRequest): Promise<RawResponse>;
  /** Opens a streamed GET (a watch) on a connection of its own. */
  stream(request: RawRequest): Promise<StreamResponse>;
  close(): Promise<void>;
}
