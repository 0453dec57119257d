import type { JsonValue } from '@bufbuild/protobuf';
import { TYPE_URLS } from '#proto';
import type { Snapshot } from '#xds';
import type { Identity } from './identities.js';
import { fieldsOf, type JsonFields, resourceJson, rewritten, without } from './resource-json.js';

/** A bootstrap in which everything a snapshot serves by discovery stands statically, for `envoy --mode validate`. */
export function staticBootstrap(snapshot: Snapshot, nodeId: string, identity: Identity): string {
  const all = (url: string): JsonFields[] => [...(snapshot.get(url)?.values() ?? [])].map(resourceJson);
  const routes = new Map(all(TYPE_URLS.route).map((route) => [route['name'], route]));
  const endpoints = new Map(all(TYPE_URLS.endpoints).map((assignment) => [assignment['clusterName'], assignment]));
  const listeners = all(TYPE_URLS.listener).map((listener) =>
    rewritten(listener, (f) => staticSecret(inlineRoute(f, routes))),
  );
  const clusters = all(TYPE_URLS.cluster).map((cluster) =>
    rewritten(staticEndpoints(cluster, endpoints), staticSecret),
  );
  return JSON.stringify({
    node: { id: nodeId, cluster: 'test' },
    staticResources: { listeners, clusters, secrets: [...all(TYPE_URLS.secret), certificateSecret(identity)] },
  });
}

function certificateSecret({ chain, key }: Identity): JsonFields {
  return {
    name: 'default',
    tlsCertificate: { certificateChain: { inlineString: chain }, privateKey: { inlineString: key } },
  };
}

function inlineRoute(fields: JsonFields, routes: ReadonlyMap<JsonValue | undefined, JsonFields>): JsonFields {
  if (fields['rds'] === undefined) return fields;
  const { rds, ...rest } = fields;
  const name = fieldsOf(rds)['routeConfigName'];
  const routeConfig = routes.get(name);
  if (routeConfig === undefined) throw new Error(`no route configuration ${String(name)}`);
  return { ...rest, routeConfig };
}

/** A secret reference without a source means a static secret. */
function staticSecret(fields: JsonFields): JsonFields {
  if (fields['sdsConfig'] === undefined) return fields;
  return without(fields, 'sdsConfig');
}

function staticEndpoints(cluster: JsonFields, endpoints: ReadonlyMap<JsonValue | undefined, JsonFields>): JsonFields {
  if (cluster['edsClusterConfig'] === undefined) return cluster;
  const { edsClusterConfig, ...rest } = cluster;
  const loadAssignment = endpoints.get(fieldsOf(edsClusterConfig)['serviceName']);
  if (loadAssignment === undefined) throw new Error(`no endpoints for ${String(cluster['name'])}`);
  return { ...rest, type: 'STATIC', loadAssignment };
}
