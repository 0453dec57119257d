import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { admissionObject, admissionTable, crdFileName } from '#crd';
import type { AdmissionCase } from '#crd';
import type { ApiObject, KubeClient } from '#kube';
import { startApiServer } from '../harness/api-server.js';
import { hookTimeoutMs, waitFor } from '../harness/child.js';
import { untilServed } from '../harness/served.js';

// The same table that libs/crd/src/admission.spec.ts runs through zod, here through a real API server's OpenAPI and CEL.
const kinds = ['IstioFederation', 'IstioMulticluster'] as const;
let client: KubeClient;
let stop: () => Promise<void> = async () => {};

interface Crd extends ApiObject {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

const crdPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

async function established(name: string): Promise<void> {
  const check = async (): Promise<true> => {
    const conditions = (await client.get<Crd>(`${crdPath}/${name}`))?.status?.conditions ?? [];
    if (conditions.some(({ type, status }) => type === 'Established' && status === 'True')) return true;
    throw new Error(JSON.stringify(conditions));
  };
  await waitFor(`CRD ${name} to be established`, check, { timeoutMs: 60_000, everyMs: 100 });
}

async function refusal(row: AdmissionCase): Promise<string | undefined> {
  const plural = row.kind === 'IstioFederation' ? 'istiofederations' : 'istiomulticlusters';
  const answer = await client.request({
    method: 'POST',
    path: `/apis/isthmus.dev/v1alpha1/${plural}`,
    query: { dryRun: 'All', fieldValidation: 'Strict' },
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(admissionObject(row)),
  });
  if (answer.status === 201) return undefined;
  return `${answer.status} ${(JSON.parse(answer.body) as { message?: string }).message ?? answer.body}`;
}

beforeAll(async () => {
  const server = await startApiServer();
  ({ client } = server);
  stop = () => server.stop();
  for (const kind of kinds) {
    const crd = parse(await readFile(join('charts/isthmus/crds', crdFileName(kind)), 'utf8')) as Crd;
    await client.apply(crd, { fieldManager: 'admission-spec' });
    await established(crd.metadata?.name ?? '');
  }
  // The endpoint of a new CRD may come a moment after the condition.
  for (const plural of ['istiofederations', 'istiomulticlusters'])
    await untilServed(client, `/apis/isthmus.dev/v1alpha1/${plural}`);
}, hookTimeoutMs);

afterAll(() => stop(), 30_000);

describe('admission by a real API server', () => {
  it.each(admissionTable.map((row) => [row.name, row] as const))('%s', async (_name, row) => {
    const message = await refusal(row);
    if (row.refusedAt === undefined) {
      expect(message).toBeUndefined();
      return;
    }
    // The rule on the name stands at the top of the schema, where a rule can blame no field.
    const blamed = row.refusedAt === 'metadata.name' ? 'the name is longer than 63 characters' : row.refusedAt;
    expect(message).toMatch(/^422 /);
    expect(message).toContain(blamed);
  });

  it('fills defaults in', async () => {
    const object = { apiVersion: 'isthmus.dev/v1alpha1', kind: 'IstioMulticluster', metadata: { name: 'defaults' } };
    const created = await client.create<ApiObject & { spec: Record<string, unknown> }>(
      { ...object, spec: { metadataEndpoint: 'https://b.example.org/metadata', stalePolicy: {} } },
      { dryRun: true },
    );
    expect(created.spec).toMatchObject({
      sharedTrustDomain: false,
      enableIngressGateway: true,
      legacyAPITokens: false,
      allowReviews: false,
      stalePolicy: { mode: 'Keep' },
    });
  });

  it('keeps conditions that others wrote when we apply ours', async () => {
    const identity = {
      apiVersion: 'isthmus.dev/v1alpha1',
      kind: 'IstioFederation',
      metadata: { name: 'shared-status' },
    };
    const condition = (type: string, reason: string) => ({
      type,
      status: 'True',
      reason,
      message: 'x',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    });
    await client.create({ ...identity, spec: { trustDomain: 'b.example', metadataEndpoint: 'https://b/metadata' } });
    await client.applyStatus({ ...identity, status: { conditions: [condition('Theirs', 'A')] } } as ApiObject, {
      fieldManager: 'other',
    });
    await client.applyStatus({ ...identity, status: { conditions: [condition('Ready', 'B')] } } as ApiObject, {
      fieldManager: 'isthmus',
    });
    const now = await client.get<Crd>('/apis/isthmus.dev/v1alpha1/istiofederations/shared-status');
    expect(now?.status?.conditions?.map(({ type }) => type).sort()).toEqual(['Ready', 'Theirs']);
  });
});
