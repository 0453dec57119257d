import { describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { withSidecars } from './sidecar.js';

const settings = {
  image: 'registry.example/proxyv2:1',
  trustDomain: 'a.example',
  clusterDomain: 'a.example',
  clusterID: 'a-example-1',
  network: 'network-1',
};
const manifests = `
apiVersion: v1
kind: Service
metadata: { name: echo }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: echo }
spec:
  replicas: 2
  template:
    metadata: { labels: { app: echo } }
    spec: { containers: [{ name: echo, image: echo }] }
`;

function read(text: string): readonly Record<string, unknown>[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Record<string, unknown>);
}

describe('manifests with sidecars', () => {
  it('adds one to each pod template and leaves the rest as it is', () => {
    const [service, deployment] = read(withSidecars(manifests, settings));
    expect(service).toEqual(read(manifests)[0]);
    expect(deployment).toMatchObject({
      spec: {
        replicas: 2,
        template: {
          metadata: { labels: { app: 'echo', 'security.istio.io/tlsMode': 'istio' } },
          spec: { containers: [{ name: 'echo' }, { name: 'istio-proxy', image: settings.image }] },
        },
      },
    });
    expect(JSON.stringify(deployment)).toContain('"ISTIO_META_WORKLOAD_NAME","value":"echo"');
  });

  it('changes nothing the second time', () => {
    const once = withSidecars(manifests, settings);
    expect(withSidecars(once, settings)).toBe(once);
  });

  it('names what is no YAML', () => {
    expect(() => withSidecars('a: [', settings)).toThrow(/^document 1: /);
  });
});
