/** Type URLs served on an aggregated stream, in the order in which changes are pushed. */
export const TYPE_URLS = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  nameTable: 'type.googleapis.com/istio.networking.nds.v1.NameTable',
} as const;

/** One of the type URLs above. */
export type TypeUrl = (typeof TYPE_URLS)[keyof typeof TYPE_URLS];
