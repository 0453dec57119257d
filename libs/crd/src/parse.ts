import { z } from 'zod';
import type { PeerKind } from '#model';
import { federationSpec } from './istio-federation.js';
import { multiclusterSpec } from './istio-multicluster.js';
import { status as statusSchema } from './status.js';
import type { IstioFederation, IstioMulticluster } from './types.js';

/** What is wrong with one field: its path from the top of the object, what it holds, and what to do. */
export interface FieldFault {
  readonly field: string;
  readonly value?: string;
  readonly message: string;
}

export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly faults: readonly FieldFault[] };

/** Longest name: it becomes the value of a label (RFC 1123 in Kubernetes, 63 characters). */
export const longestPeerName = 63;
const shownValue = 80;

const metadataSchema = z.looseObject({
  name: z
    .string()
    .min(1)
    .max(longestPeerName, {
      error: `is longer than ${longestPeerName} characters: it becomes a label, choose a shorter one`,
    }),
});

/** Defaults filled in, or all faults at once. Works where the CRD's own validation has not run (older CRD, files). */
export function parseIstioFederation(object: unknown): Parsed<IstioFederation> {
  return parseResource(object, 'IstioFederation', federationSpec);
}

/** As `parseIstioFederation`, for the other kind. */
export function parseIstioMulticluster(object: unknown): Parsed<IstioMulticluster> {
  return parseResource(object, 'IstioMulticluster', multiclusterSpec);
}

/** One line a fault, for conditions, logs and the CLI. */
export function describeFault({ field, value, message }: FieldFault): string {
  return value === undefined ? `${field} ${message}` : `${field} (${value}) ${message}`;
}

function parseResource<S extends z.ZodType, K extends PeerKind>(
  object: unknown,
  kind: K,
  spec: S,
): Parsed<
  { apiVersion: 'isthmus.dev/v1alpha1'; kind: K } & Pick<IstioFederation, 'metadata' | 'status'> & { spec: z.output<S> }
> {
  const envelope = z.object({
    apiVersion: z.literal('isthmus.dev/v1alpha1', { error: 'must be isthmus.dev/v1alpha1' }),
    kind: z.literal(kind, { error: `must be ${kind}` }),
    metadata: metadataSchema,
    spec,
  });
  const result = envelope.safeParse(object);
  if (!result.success) return { ok: false, faults: result.error.issues.map((issue) => faultOf(issue, object)) };
  const { metadata, spec: readSpec } = result.data as { metadata: IstioFederation['metadata']; spec: z.output<S> };
  const status = readStatus(object);
  return {
    ok: true,
    value: {
      apiVersion: 'isthmus.dev/v1alpha1',
      kind,
      metadata,
      spec: readSpec,
      ...(status === undefined ? {} : { status }),
    },
  };
}

/** Our own earlier status; one we cannot read (older version) is as good as none. */
function readStatus(object: unknown): IstioFederation['status'] {
  const text = typeof object === 'object' && object !== null && 'status' in object ? object.status : undefined;
  const result = statusSchema.safeParse(text);
  return result.success ? result.data : undefined;
}

function faultOf(issue: z.core.$ZodIssue, object: unknown): FieldFault {
  const field = issue.path.reduce<string>(
    (path, part) => (typeof part === 'number' ? `${path}[${part}]` : `${path}${path === '' ? '' : '.'}${String(part)}`),
    '',
  );
  const value = issue.path.reduce<unknown>((at, part) => childOf(at, part), object);
  const message = issue.code === 'invalid_type' && value === undefined ? 'is required' : issue.message;
  return value === undefined || field.endsWith('.ca') ? { field, message } : { field, value: shown(value), message };
}

function childOf(value: unknown, part: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > shownValue ? `${text.slice(0, shownValue)}…` : text;
}
