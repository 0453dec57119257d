import { demoNamespace } from '../lab/index.js';
import type { ApiObject, LabCluster } from '../lab/index.js';
import type { ThreeClusters } from './multicluster.js';
import { call, untilAnswered } from './scene.js';
import type { Story } from './story.js';

export const onlyWest = 'west-only.demo.svc.cluster.local';
const calls = 40;

/** Makes a service that only west has. */
export async function exposeWest(west: LabCluster): Promise<void> {
  const services = `/api/v1/namespaces/${demoNamespace}/services`;
  const echo = await west.api.get<ApiObject & { spec: { selector: unknown; ports: unknown } }>(`${services}/echo`);
  await west.api.apply(`${services}/west-only`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'west-only' },
    spec: { selector: echo?.spec.selector, ports: echo?.spec.ports },
  });
}

/** West shares its network with east, whose gateway knows no such service; TCP, since nothing tries a connection again there. */
export async function callWestOnly({ lab, west, north }: ThreeClusters, story: Story): Promise<void> {
  const title =
    'a service that only west has, called from north, each call a new connection: east’s gateway is never asked';
  await story.step(title, async () => {
    await exposeWest(west);
    const target = `${onlyWest}:9000`;
    await untilAnswered(lab, north, 'call-tcp', target);
    for (let index = 0; index < calls; index += 1) {
      const result = await call(lab, north, 'call-tcp', target);
      if (!result.ok) throw new Error(`call ${index + 1} of ${calls}: ${result.error}`);
    }
    const asked = await gatewaysAsked({ lab, north });
    const wanted = `${west.plan.gatewayAddress}:15443`;
    if (asked.length !== 1 || asked[0] !== wanted) throw new Error(`north’s Envoy knows ${asked.join(', ')}`);
    return `${calls} calls, 0 failed, all through ${wanted}`;
  });
}

/** Where Envoy beside north's client sends connections to the service. */
async function gatewaysAsked({ lab, north }: Pick<ThreeClusters, 'lab' | 'north'>): Promise<readonly string[]> {
  const command = ['curl', '-s', 'localhost:15000/clusters'];
  const { stdout } = await lab.exec(north.name, demoNamespace, 'client', command);
  const prefix = `outbound|9000||${onlyWest}::`;
  const lines = stdout.split('\n').filter((line) => line.startsWith(prefix) && line.includes('::cx_total::'));
  return lines.map((line) => line.slice(prefix.length, line.indexOf('::cx_total::')));
}
