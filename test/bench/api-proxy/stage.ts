import { mkdirSync } from 'node:fs';
import { peerAccountName } from '#model';
import { accountToken, peersNamespace, startAuditedCluster, startDoorProcess } from '../../harness/api-door.js';
import type { AuditedCluster, DoorProcess } from '../../harness/api-door.js';
import { TestPeer } from '../../harness/door.js';
import { machineAddress } from '../../harness/machine-address.js';
import { startWayOutProcess } from '../../harness/way-out.js';
import type { WayOutProcess } from '../../harness/way-out.js';
import { Side } from './side.js';
import type { SideName } from './side.js';

/** One API server, a door in front of it, a way out in front of that; and a reader's ways to it. */
export interface ApiProxyStage {
  readonly cluster: AuditedCluster;
  readonly door: DoorProcess;
  readonly wayOut: WayOutProcess;
  readonly sides: Readonly<Record<SideName, Side>>;
}

/** A proxy that gets SIGUSR2 collects its garbage and logs what is left, so that memory is what is held. */
const collectOnSignal = [
  '--expose-gc',
  '--import=data:text/javascript,process.on("SIGUSR2",()=>{gc();gc();console.log(JSON.stringify({leftAfterCollection:process.memoryUsage()}))})',
];
/** Limits that a bench would run into, lifted; all else is as the chart has it. */
const much = '100000';
const doorLimits = {
  ISTHMUS_SOURCE_RATE: much,
  ISTHMUS_SOURCE_BURST: much,
  ISTHMUS_API_PEER_RATE: much,
  ISTHMUS_API_PEER_BURST: much,
  ISTHMUS_API_WATCHES_PER_PEER: '10000',
  ISTHMUS_API_BYTES_PER_SECOND: '100000000000',
};

export interface StageWish {
  readonly directory: string;
  readonly cpuProfile: string | undefined;
  /** Told of all that is to be stopped, in the order of starting. */
  readonly started: <T extends { stop(): Promise<unknown> }>(starting: Promise<T>) => Promise<T>;
}

export async function startStage({ directory, cpuProfile, started }: StageWish): Promise<ApiProxyStage> {
  const reader = new TestPeer('IstioMulticluster', 'reader');
  const nodeFlags = [
    ...collectOnSignal,
    ...(cpuProfile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${cpuProfile}`]),
  ];
  mkdirSync(directory, { recursive: true });
  const cluster = await started(startAuditedCluster(directory, { audited: false }));
  await cluster.leader.trust([reader.trusted()]);
  await cluster.leader.publish('{}', '1');
  await cluster.admit(reader);
  const address = machineAddress();
  const environment = { ...doorLimits, ISTHMUS_LISTEN_HOST: '0.0.0.0' };
  const door = await started(startDoorProcess(cluster, directory, environment, { nodeFlags, addresses: [address] }));
  const apiHost = `${address}:${door.apiPort}`;
  const wayOut = await started(
    startWayOutProcess({
      ...{ cluster, self: reader, apiHost, ca: door.ca, directory, nodeFlags },
      environment: { ISTHMUS_WATCHES_PER_READER: '10000' },
    }),
  );
  const account = await accountToken(cluster.api.client, peerAccountName(reader.name), peersNamespace);
  const { server: origin, ca } = cluster.api;
  const sides = {
    // The same account as behind the proxies, by its own token.
    direct: new Side('direct', { origin, ca, prefix: '', token: () => account }),
    door: new Side('door', {
      origin: `https://${apiHost}`,
      ...{ ca: door.ca, prefix: '', token: () => reader.token('api') },
    }),
    both: new Side('both', {
      origin: `https://127.0.0.1:${wayOut.port}`,
      ...{ ca: wayOut.ca, prefix: wayOut.prefix, token: () => wayOut.credential },
    }),
  };
  return { cluster, door, wayOut, sides };
}
