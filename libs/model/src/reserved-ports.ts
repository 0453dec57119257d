/** Ports of Istio's proxy itself: no listener for a service may stand on them, inbound or outbound, so none can be called there. */
export const reservedPorts: ReadonlySet<number> = new Set([
  15000, 15001, 15004, 15006, 15008, 15020, 15021, 15053, 15090,
]);
