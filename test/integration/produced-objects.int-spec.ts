import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import type { KubernetesObject } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import {
  authorizationPoliciesFor,
  destinationRuleFor,
  exportsFor,
  gatewayFor,
  grantsFor,
  mergeServices,
  serviceEntryFor,
  sidecarPodTemplate,
} from '#planner';
import { federation, localService, peerOffer, publicLabel, trustedPeer } from '#testing';
import { ensureParts } from '../../scripts/setup/index.js';
import { startApiServer } from '../harness/api-server.js';
import { hookTimeoutMs, waitFor } from '../harness/child.js';

// What the planner makes, judged by Istio's own CRDs (schema and CEL) on a real API server.
const mesh = {
  trustDomain: 'a.example',
  clusterDomain: 'a.example',
  importsNamespace: 'default',
  releaseNamespace: 'default',
  rootNamespace: 'default',
};
const options = { fieldManager: 'produced-objects-spec', dryRun: true };
let client: KubeClient;
let stop: () => Promise<void> = async () => {};

async function istioCrds(): Promise<ApiObject[]> {
  const { 'istio-crds': path } = await ensureParts(['istio-crds']);
  const file = (await stat(path)).isDirectory() ? join(path, 'customresourcedefinitions.gen.yaml') : path;
  return parseAllDocuments(await readFile(file, 'utf8')).flatMap(
    (document) => (document.toJS() as ApiObject | null) ?? [],
  );
}

beforeAll(async () => {
  const server = await startApiServer();
  ({ client } = server);
  stop = () => server.stop();
  const wanted = ['serviceentries', 'destinationrules', 'gateways.networking', 'authorizationpolicies'];
  const crds = (await istioCrds()).filter(({ metadata }) => wanted.some((name) => metadata?.name?.startsWith(name)));
  expect(crds).toHaveLength(4);
  await Promise.all(crds.map((crd) => client.apply(crd, { fieldManager: 'produced-objects-spec' })));
  const served = [
    resources.serviceEntries,
    resources.destinationRules,
    resources.gateways,
    resources.authorizationPolicies,
  ];
  for (const resource of served) {
    await waitFor(`${resource.plural} to be served`, async () => {
      const { status } = await client.request({ method: 'GET', path: pathFor(resource, { namespace: 'default' }) });
      return status === 200 ? true : undefined;
    });
  }
}, hookTimeoutMs);

afterAll(() => stop(), 30_000);

const accepted = (object: KubernetesObject) =>
  expect(client.apply(object as ApiObject, options)).resolves.toMatchObject({ kind: object.kind });

describe('produced objects are what Istio accepts', () => {
  const [service] = mergeServices([
    peerOffer({
      gateways: [
        { address: '192.0.2.1', port: 15_443 },
        { address: 'fd00::1', port: 443 },
      ],
    }),
  ]).services;
  const [byName] = mergeServices([peerOffer({ gateways: [{ address: 'lb.example.org', port: 15_443 }] })]).services;
  const [withdrawn] = mergeServices([peerOffer({ gateways: [] })]).services;
  const services = [localService(), localService({ name: 'cart', namespace: 'shop' })];
  const shared = { label: publicLabel, clusterDomain: 'a.example', services };

  it.each([
    ['addresses', service!],
    ['host names', byName!],
    ['nothing', withdrawn!],
  ])('ServiceEntry with gateways known by %s', async (_name, merged) => {
    await accepted(serviceEntryFor(mesh, merged));
  });

  it('ServiceEntry status takes virtual addresses', async () => {
    const entry = serviceEntryFor(mesh, service!) as ApiObject;
    await client.apply(entry, { fieldManager: 'isthmus' });
    const status = { addresses: [{ value: '240.240.1.2', host: 'echo.demo.svc.b.example' }] };
    const identity = { apiVersion: entry.apiVersion, kind: entry.kind, metadata: entry.metadata };
    const written = await client.applyStatus<ApiObject & { status?: unknown }>({ ...identity, status } as ApiObject, {
      fieldManager: 'isthmus',
    });
    expect(written.status).toEqual(status);
  });

  it('DestinationRule', async () => accepted(destinationRuleFor(mesh, service!)));

  it('Gateway', async () => accepted(gatewayFor(mesh, exportsFor({ ...shared, subjectAltNames: () => [] }).services)!));

  it('AuthorizationPolicy, for a peer with exports and one without', async () => {
    const grants = grantsFor({
      ...shared,
      subjectAltNames: () => [],
      ownTrustDomain: 'a.example',
      federations: [federation(), federation({ exports: { hosts: [] }, trustDomain: 'C_example' }, 'c')],
      registry: { version: 1, peers: [trustedPeer(), trustedPeer({ name: 'c', trustDomain: 'C_example' })] },
    });
    const policies = authorizationPoliciesFor(mesh, grants);
    expect(policies).toHaveLength(2);
    for (const policy of policies) await accepted(policy);
  });

  it('Deployment with the sidecar in its pod template', async () => {
    const labels = { app: 'echo' };
    const template = sidecarPodTemplate(
      { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'echo' }] } },
      {
        image: 'isthmus/proxyv2',
        trustDomain: 'a.example',
        clusterDomain: 'a.example',
        clusterID: 'a-1',
        network: 'n',
      },
    );
    const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'echo', namespace: 'default' } };
    await accepted({ ...deployment, spec: { selector: { matchLabels: labels }, template } } as KubernetesObject);
  });
});
