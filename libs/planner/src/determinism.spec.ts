import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PublicService } from '#model';
import { federation, localService, peerOffer, publicLabel, trustedPeer } from '#testing';
import { admitOffer } from './admit-offer.js';
import { authorizationPoliciesFor } from './authorization-policy.js';
import { destinationRuleFor } from './destination-rule.js';
import { federationDocumentFor } from './documents.js';
import { exportsFor } from './exports.js';
import { gatewayAddresses } from './gateway-addresses.js';
import { gatewayFor } from './gateway.js';
import { grantsFor } from './grants.js';
import type { LocalService } from './local-service.js';
import { mergeServices } from './merge-services.js';
import type { PeerOffer } from './merge-services.js';
import { serviceEntryFor } from './service-entry.js';
import { trustBundlesFor } from './trust-bundle.js';

// Same input twice, and shuffled: byte-equal output (style.md, criterion 11).
const mesh = {
  trustDomain: 'a.example',
  clusterDomain: 'a.example',
  importsNamespace: 'isthmus-imports',
  releaseNamespace: 'isthmus-system',
  rootNamespace: 'istio-system',
};
const word = fc.stringMatching(/^[a-z]{1,3}$/);
const port = fc.record({ name: fc.constantFrom('http', 'grpc', 'tcp', 'x-y'), port: fc.integer({ min: 1, max: 5 }) });
const offered: fc.Arbitrary<PublicService> = fc.record({
  hostname: fc.oneof(
    word.map((name) => `${name}.demo.svc.b.example`),
    fc.domain(),
    fc.string(),
  ),
  ports: fc.array(port, { maxLength: 4 }),
  subjectAltNames: fc.uniqueArray(
    word.map((name) => `spiffe://b.example/ns/demo/sa/${name}`),
    { maxLength: 2 },
  ),
});
const local = fc
  .record({
    name: word,
    namespace: word,
    selector: fc.constantFrom({ app: 'x' }, { app: 'y' }, {}),
    ports: fc.array(port, { maxLength: 3 }),
  })
  .map(({ ports, ...rest }) =>
    localService({ ...rest, ports: ports.map((p) => ({ ...p, targetPort: p.port, protocol: 'TCP' })) }),
  );
const locals = fc.uniqueArray(local, { maxLength: 12, selector: ({ name, namespace }) => `${namespace}/${name}` });

function bytesOfImports(offers: readonly PeerOffer[]): string {
  const merged = mergeServices(offers);
  return JSON.stringify([
    merged,
    merged.services.map((service) => serviceEntryFor(mesh, service)),
    merged.services.map((service) => destinationRuleFor(mesh, service)),
  ]);
}

/** Fast-check's own permutation of a list. */
const shuffled = <T>(values: readonly T[]): fc.Arbitrary<T[]> =>
  fc.shuffledSubarray([...values], { minLength: values.length });

describe('same input, same bytes', () => {
  it('imports', () => {
    const offer = fc.record({
      name: word,
      createdAt: fc.constantFrom('2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'),
      services: fc.array(offered, { maxLength: 8 }),
      gateways: fc.array(fc.record({ address: fc.ipV4(), port: fc.integer({ min: 1, max: 9 }) }), { maxLength: 4 }),
    });
    const offers = fc.uniqueArray(offer, { maxLength: 5, selector: ({ name }) => name }).map((all) =>
      all.map(({ name, services, ...rest }) => {
        const admitted = admitOffer({
          services,
          trustDomain: 'b.example',
          clusterDomain: 'b.example',
          ownClusterDomain: 'a.example',
        });
        return peerOffer({ name, ...rest, services: admitted.services });
      }),
    );
    const twice = offers.chain((all) => fc.tuple(fc.constant(all), shuffled(all)));
    fc.assert(fc.property(twice, ([all, other]) => expect(bytesOfImports(other)).toBe(bytesOfImports(all))));
  });

  it('offers: nothing outside the peer’s domain ever comes through', () => {
    const domain = { trustDomain: 'b.example', clusterDomain: 'b.example', ownClusterDomain: 'a.example' };
    fc.assert(
      fc.property(fc.array(offered, { maxLength: 20 }), (services) => {
        const { services: admitted } = admitOffer({ services, ...domain });
        expect(admitted.every(({ hostname }) => /^[a-z0-9-]+\.[a-z0-9-]+\.svc\.b\.example$/.test(hostname))).toBe(true);
        expect(admitted.every(({ ports }) => new Set(ports.map((p) => p.port)).size === ports.length)).toBe(true);
      }),
    );
  });

  it('exports, documents, grants, policies and the gateway', () => {
    const federations = [federation(), federation({ exports: { namespaces: ['a', 'b'] } }, 'c')];
    const peers = [trustedPeer(), trustedPeer({ name: 'c' })];
    const bytes = (services: Parameters<typeof exportsFor>[0]['services'], reverse: boolean): string => {
      const turn = <T>(list: T[]): T[] => (reverse ? [...list].reverse() : list);
      const shared = { label: publicLabel, clusterDomain: 'a.example', services, subjectAltNames: () => [] };
      const exported = exportsFor(shared);
      const registry = { version: 1, peers: turn(peers) } as const;
      const grants = grantsFor({ ...shared, ownTrustDomain: 'a.example', federations: turn(federations), registry });
      const document = federationDocumentFor(
        exported.services,
        gatewayAddresses({
          nodes: [],
          pods: [],
          override: turn([
            { address: 'x', port: 1 },
            { address: 'y', port: 2 },
          ]),
        }).addresses,
      );
      const bundles = trustBundlesFor({ trustDomain: 'a.example', roots: ['own'] }, registry);
      return JSON.stringify([
        exported,
        document,
        grants,
        authorizationPoliciesFor(mesh, grants),
        gatewayFor(mesh, exported.services),
        bundles,
      ]);
    };
    const twice = locals.chain((all) => fc.tuple(fc.constant(all), shuffled(all)));
    fc.assert(fc.property(twice, ([all, other]) => expect(bytes(other, true)).toBe(bytes(all, false))));
  });

  it('the document and the grants never disagree', () => {
    fc.assert(
      fc.property(locals, fc.array(fc.constantFrom(0, 1, 64, 65), { minLength: 1 }), (services, counts) => {
        // Each Service has so many identities, from none to more than a document takes.
        const subjectAltNames = (service: LocalService): readonly string[] =>
          Array.from({ length: counts[services.indexOf(service) % counts.length] ?? 0 }, (_unused, n) => `s${n}`);
        const shared = { label: publicLabel, clusterDomain: 'a.example', services, subjectAltNames };
        const announced = exportsFor(shared).services.map(({ hostname }) => hostname);
        const registry = { version: 1, peers: [trustedPeer()] } as const;
        const [grant] = grantsFor({ ...shared, ownTrustDomain: 'a.example', federations: [federation()], registry });
        expect(grant?.allowed.map(({ hostname }) => hostname)).toEqual([...announced].sort());
      }),
    );
  });
});
