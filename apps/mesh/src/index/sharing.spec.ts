import { describe, expect, it } from '@jest/globals';
import type { Pod, Service } from '#istio-api';
import { exportsFor, localServiceFrom, podsOfManyAccounts, workloadIndex } from '#planner';
import { federation, pod, publicLabel, trustedPeer } from '#testing';
import type { MeshCluster } from '#xds';
import { sharingFrom } from './sharing.js';

const cluster: MeshCluster = {
  clusterID: 'east',
  trustDomain: 'a.example',
  clusterDomain: 'a.example',
  network: 'east-net',
  rootNamespace: 'istio-system',
};

const service = (name: string, app: string): Service => ({
  metadata: { name, namespace: 'demo', labels: { [publicLabel]: '' } },
  spec: { selector: { app }, ports: [{ name: 'http', port: 80 }] },
});

/** Pods of `app`, each with a service account of its own. */
const pods = (app: string, count: number): readonly Pod[] =>
  Array.from({ length: count }, (_unused, index) => {
    const { metadata, ...rest } = pod({ labels: { app } });
    const name = `${app}-${index}`;
    return { ...rest, metadata: { ...metadata, name }, spec: { serviceAccountName: name, containers: [] } };
  });

describe('what peers may reach of Services with many identities', () => {
  it.each([
    [64, ['few.demo.svc.a.example', 'many.demo.svc.a.example']],
    [65, ['few.demo.svc.a.example']],
  ])('is what their documents show, with %i of which a document takes 64', (count, expected) => {
    const services = [service('few', 'few'), service('many', 'many')];
    const all = [...pods('few', 2), ...pods('many', count)];
    const shared = sharingFrom({
      ...{ cluster, label: publicLabel, services, crowd: podsOfManyAccounts(all), roots: [], crls: [] },
      federations: [federation()],
      registry: { version: 1, peers: [trustedPeer()] },
    });
    const shown = exportsFor({
      label: publicLabel,
      clusterDomain: 'a.example',
      services: services.map(localServiceFrom),
      subjectAltNames: workloadIndex(all, 'a.example').subjectAltNames,
    });
    expect(shared.gatewayExports.map(({ hostname }) => hostname)).toEqual(expected);
    expect(shared.grants[0]?.allowed).toHaveLength(expected.length);
    expect(shown.services.map(({ hostname }) => hostname)).toEqual(expected);
  });

  it('looks at no pod where a namespace has no more accounts than a document takes', () => {
    expect(podsOfManyAccounts([...pods('few', 2), ...pods('more', 62)])).toEqual([]);
    expect(podsOfManyAccounts(pods('many', 65))).toHaveLength(65);
  });
});
