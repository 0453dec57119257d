import { logLevel, optional, port, readVariables, text, wholeNumber, withDefault } from '#platform';

/** Everything the way out is told at start; frozen. */
export interface WayOutConfig {
  /** Release namespace: peers, signing keys and cluster identity are there. */
  readonly namespace: string;
  readonly host: string;
  readonly httpsPort: number;
  readonly httpPort: number;
  /** Folder with tls.crt and tls.key. */
  readonly tlsDirectory: string;
  /** Requests of one reader to one peer that may be open at once, watches apart. */
  readonly requestsPerReader: number;
  readonly watchesPerReader: number;
  /** A reader that takes nothing for so long is cut. */
  readonly stuckMs: number;
  /** A peer that nobody asked anything of for so long is asked its version, so that its state is known. */
  readonly probeMs: number;
  readonly drainDelayMs: number;
  readonly kubeconfig: string | undefined;
  readonly logLevel: string;
}

/** Every variable that is read. */
export const variables = {
  POD_NAMESPACE: withDefault(text, 'isthmus-system'),
  ISTHMUS_LISTEN_HOST: withDefault(text, '0.0.0.0'),
  ISTHMUS_HTTPS_PORT: withDefault(port, 8443),
  ISTHMUS_HTTP_PORT: withDefault(port, 8080),
  ISTHMUS_TLS_DIR: withDefault(text, '/etc/isthmus/tls'),
  ISTHMUS_REQUESTS_PER_READER: withDefault(wholeNumber(1, 10_000), 200),
  ISTHMUS_WATCHES_PER_READER: withDefault(wholeNumber(1, 10_000), 2_000),
  ISTHMUS_STUCK_MS: withDefault(wholeNumber(100, 600_000), 60_000),
  ISTHMUS_PROBE_MS: withDefault(wholeNumber(500, 600_000), 10_000),
  ISTHMUS_DRAIN_DELAY_MS: withDefault(wholeNumber(0, 60_000), 2_000),
  KUBECONFIG: optional(text),
  LOG_LEVEL: withDefault(logLevel, 'info'),
};

/** Throws `ConfigFaultsError` that lists every fault with its variable. */
export function loadWayOutConfig(environment: Readonly<Record<string, string | undefined>>): WayOutConfig {
  const values = readVariables(variables, environment);
  return Object.freeze({
    namespace: values.POD_NAMESPACE,
    host: values.ISTHMUS_LISTEN_HOST,
    httpsPort: values.ISTHMUS_HTTPS_PORT,
    httpPort: values.ISTHMUS_HTTP_PORT,
    tlsDirectory: values.ISTHMUS_TLS_DIR,
    requestsPerReader: values.ISTHMUS_REQUESTS_PER_READER,
    watchesPerReader: values.ISTHMUS_WATCHES_PER_READER,
    stuckMs: values.ISTHMUS_STUCK_MS,
    probeMs: values.ISTHMUS_PROBE_MS,
    drainDelayMs: values.ISTHMUS_DRAIN_DELAY_MS,
    kubeconfig: values.KUBECONFIG,
    logLevel: values.LOG_LEVEL,
  });
}
