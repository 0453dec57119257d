import { Counter, Gauge, Histogram, type Registry } from '#platform';
import type { Outgoing, Reading } from '#xds';
import type { ClusterReport } from '../registries/status-writer.js';

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

/** Short word of a type URL for labels: `cds`, `eds` …; the message's name for others. */
export function typeWord(typeUrl: string): string {
  const name = typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
  return words[name] ?? name;
}

const words: Readonly<Record<string, string>> = {
  Cluster: 'cds',
  ClusterLoadAssignment: 'eds',
  Listener: 'lds',
  RouteConfiguration: 'rds',
  Secret: 'sds',
  NameTable: 'nds',
};

/** All that the mesh core counts; dashboards made for istiod find its names beside ours. */
export class MeshMetrics {
  readonly #registry: Registry;
  readonly #streams: Gauge;
  readonly #pilotStreams: Gauge;
  readonly #pushes: Counter<'type'>;
  readonly #pilotPushes: Counter<'type'>;
  readonly #resources: Counter<'type'>;
  readonly #bytes: Counter<'type'>;
  readonly #rejects: Counter<'type'>;
  readonly #pilotRejects: Counter<'type'>;
  readonly #stale: Counter<'type'>;
  readonly #requests: Counter<'type' | 'reading'>;
  readonly #convergence: Histogram;
  readonly #build: Histogram;
  readonly #certificates: Counter<'result'>;

  constructor(registry: Registry) {
    this.#registry = registry;
    const registers = [registry];
    const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers });
    const byType = (name: string, help: string): Counter<'type'> =>
      new Counter({ name, help, registers, labelNames: ['type'] });
    this.#streams = gauge('isthmus_mesh_xds_streams', 'Open aggregated discovery streams');
    this.#pilotStreams = gauge('pilot_xds', 'Open aggregated discovery streams (istiod’s name)');
    this.#pushes = byType('isthmus_mesh_xds_responses_total', 'Responses written');
    this.#pilotPushes = byType('pilot_xds_pushes', 'Responses written (istiod’s name)');
    this.#resources = byType('isthmus_mesh_xds_resources_total', 'Resources written in responses');
    this.#bytes = byType('isthmus_mesh_xds_bytes_total', 'Bytes of responses written');
    this.#rejects = byType('isthmus_mesh_xds_rejects_total', 'Responses refused by a proxy (NACK)');
    this.#pilotRejects = byType('pilot_total_xds_rejects', 'Responses refused by a proxy (istiod’s name)');
    this.#stale = byType('pilot_xds_expired_nonce', 'Requests with a nonce that is not the last (istiod’s name)');
    this.#requests = new Counter({
      name: 'isthmus_mesh_xds_requests_total',
      help: 'Requests read, by what they were',
      registers,
      labelNames: ['type', 'reading'],
    });
    this.#convergence = new Histogram({
      name: 'isthmus_mesh_convergence_seconds',
      help: 'From the first change that a model holds until a proxy has answered all that it was sent of it',
      registers,
      buckets: seconds,
    });
    this.#build = new Histogram({
      name: 'isthmus_mesh_model_build_seconds',
      help: 'From the first change until the model that holds it stands, debounce included',
      registers,
      buckets: seconds,
    });
    this.#certificates = new Counter({
      name: 'isthmus_mesh_certificates_total',
      help: 'Workload certificates asked for',
      registers,
      labelNames: ['result'],
    });
  }

  /** A gauge whose value is asked for when it is read. */
  watch(name: string, help: string, value: () => number): void {
    const gauge: Gauge = new Gauge({ name, help, registers: [this.#registry], collect: () => gauge.set(value()) });
  }

  /** How far other clusters are read; asked for when the metrics are. */
  watchRemotes(reports: () => Readonly<Record<string, ClusterReport>>): void {
    const gauge = (name: string, help: string, value: (report: ClusterReport) => number): void => {
      const made: Gauge<'cluster'> = new Gauge({
        name,
        help,
        registers: [this.#registry],
        labelNames: ['cluster'],
        collect: () => {
          made.reset();
          for (const [cluster, report] of Object.entries(reports())) made.set({ cluster }, value(report));
        },
      });
    };
    const prefix = 'isthmus_mesh_remote_cluster';
    gauge(`${prefix}_synced`, 'Registry of another cluster has been read as a whole', ({ synced }) => Number(synced));
    gauge(`${prefix}_failing`, 'Another cluster cannot be read now', ({ error }) => Number(error !== undefined));
    gauge(`${prefix}_last_contact_seconds`, 'Its last sign of life, Unix time', (report) => report.lastContact / 1000);
    gauge(`${prefix}_services`, 'Services read there', ({ services }) => services);
    gauge(`${prefix}_endpoints`, 'Endpoints read there and not withdrawn', ({ endpoints }) => endpoints);
    const withdrawn = 'Services whose endpoints its stalePolicy has withdrawn for its silence';
    gauge(`${prefix}_withdrawn_services`, withdrawn, ({ withdrawnServices = 0 }) => withdrawnServices);
    this.watch(
      'istiod_managed_clusters',
      'Other clusters that are read (istiod’s name)',
      () => Object.keys(reports()).length,
    );
  }

  streams(open: number): void {
    this.#streams.set(open);
    this.#pilotStreams.set(open);
  }

  sent({ typeUrl, resources }: Outgoing, bytes: number): void {
    const type = typeWord(typeUrl);
    this.#pushes.inc({ type });
    this.#pilotPushes.inc({ type });
    this.#resources.inc({ type }, resources.length);
    this.#bytes.inc({ type }, bytes);
  }

  read(typeUrl: string, reading: Reading): void {
    const type = typeWord(typeUrl);
    this.#requests.inc({ type, reading });
    if (reading === 'stale') this.#stale.inc({ type });
    if (reading !== 'nack') return;
    this.#rejects.inc({ type });
    this.#pilotRejects.inc({ type });
  }

  converged(milliseconds: number): void {
    this.#convergence.observe(milliseconds / 1000);
  }

  modelBuilt(milliseconds: number): void {
    this.#build.observe(milliseconds / 1000);
  }

  certificate(result: 'issued' | 'refused'): void {
    this.#certificates.inc({ result });
  }
}
