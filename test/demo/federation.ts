import { readFileSync } from 'node:fs';
import { inRounds } from '../harness/rounds.js';
import { demoNamespace, echoService, federationIsReady, startLoad } from '../lab/index.js';
import { mintCertificate } from './certificates.js';
import type { CertificateFiles } from './certificates.js';
import { rotateKey } from './key-rotation.js';
import { startLegacyPeer } from './legacy.js';
import type { RunningLegacyPeer } from './legacy.js';
import {
  call,
  callGateway,
  condition,
  gatewayAddress,
  holdConnection,
  label,
  onlyForLabel,
  publicLabel,
  mustRefuse,
  noFailures,
  serviceEntryHosts,
  inWords,
  refusalOf,
} from './scene.js';
import type { GatewayAnswer, Scene } from './scene.js';
import { eventually, patienceMs } from './story.js';
import type { Story } from './story.js';

const federations = '/apis/isthmus.dev/v1alpha1/istiofederations';
const westEcho = 'echo.demo.svc.west.example';
const eastClient = 'spiffe://east.example/ns/demo/sa/client';

function peerResource(name: string, spec: object): object {
  return { apiVersion: 'isthmus.dev/v1alpha1', kind: 'IstioFederation', metadata: { name }, spec };
}

/** From two installed clusters to one call, and everything that must not work. */
export async function tellFederation(scene: Scene, story: Story): Promise<void> {
  await join(scene, story);
  await share(scene, story);
  await callAcross(scene, story);
  await refuse(scene, story);
  await unshare(scene, story);
  await killControlPlane(scene, story);
  await rotateKey(scene, story, westEcho);
}

async function join({ a, b }: Scene, story: Story): Promise<void> {
  await story.step(
    'an IstioFederation on each side; both become Ready',
    async () => {
      const spec = (peer: Scene['a'], exports?: object): object => ({
        trustDomain: peer.plan.trustDomain,
        metadataEndpoint: peer.metadataEndpoint,
        metadata: { ca: readFileSync(peer.files.serving, 'utf8') },
        ...(exports === undefined ? {} : { exports }),
      });
      const forAll = { serviceSelector: { matchExpressions: [{ key: onlyForLabel, operator: 'DoesNotExist' }] } };
      await a.api.apply(`${federations}/${b.name}`, peerResource(b.name, spec(b)));
      await b.api.apply(`${federations}/${a.name}`, peerResource(a.name, spec(a, forAll)));
      await Promise.all([federationIsReady(a, b.name), federationIsReady(b, a.name)]);
      const ready = await condition(a, b.name, 'TrustEstablished');
      return `${a.name} about ${b.name}: ${ready?.message ?? ''}`;
    },
    true,
  );
}

async function share({ a, b }: Scene, story: Story): Promise<void> {
  await story.step(
    'Service echo labelled public in west: its ServiceEntry appears in east',
    async () => {
      const started = performance.now();
      await label(b, 'echo', { [publicLabel]: '' });
      await eventually(
        'the ServiceEntry',
        patienceMs,
        async () => ((await serviceEntryHosts(a)).includes(westEcho) ? true : undefined),
        5,
      );
      return `${Math.round(performance.now() - started)} ms after the label was set`;
    },
    true,
  );
}

function clientSeen(body: unknown): string {
  const headers = (body as { readonly headers?: Readonly<Record<string, string>> }).headers ?? {};
  return headers['x-forwarded-client-cert'] ?? '';
}

async function callAcross({ lab, a }: Scene, story: Story): Promise<void> {
  await story.step(
    'a plain HTTP client in east calls echo in west by name; west sees who calls, a forged header notwithstanding',
    async () => {
      const answer = await eventually('the call', patienceMs, async () => {
        const result = await call(
          lab,
          a,
          'call-http',
          `http://${westEcho}/demo`,
          '--header',
          'x-forwarded-client-cert: URI=spiffe://west.example/ns/kube-system/sa/admin',
        );
        if (!result.ok) throw new Error(JSON.stringify(result).slice(0, 300));
        return result;
      });
      const seen = clientSeen(answer.body);
      if (!seen.includes(`URI=${eastClient}`) || seen.includes('admin'))
        throw new Error(`west saw ${seen || 'nobody'}`);
      return `answered in ${answer.ms} ms; the caller as west saw it: ${/URI=[^;,]+/.exec(seen)?.[0] ?? ''}`;
    },
  );
  await story.step('gRPC, the same way', async () => {
    const answer = await eventually('the call', patienceMs, async () =>
      okOf(await call(lab, a, 'call-grpc', `${westEcho}:9090`)),
    );
    return `answered in ${answer.ms} ms`;
  });
  await story.step('raw TCP, the same way', async () => {
    const answer = await eventually('the call', patienceMs, async () =>
      okOf(await call(lab, a, 'call-tcp', `${westEcho}:9000`)),
    );
    return `answered in ${answer.ms} ms`;
  });
}

function okOf<T extends { readonly ok: boolean }>(result: T): T {
  if (!result.ok) throw new Error(JSON.stringify(result).slice(0, 300));
  return result;
}

async function refuse(scene: Scene, story: Story): Promise<void> {
  const { lab, a, b } = scene;
  const gateway = await gatewayAddress(b);
  const genuine = await mintCertificate(lab, a, eastClient, 'genuine');
  await story.step('an unlabelled Service is refused, by name and at the gateway', async () => {
    await b.api.apply(
      `/api/v1/namespaces/${demoNamespace}/services/plain`,
      selecting(echoService(demoNamespace, 'plain')),
    );
    const plain = 'plain.demo.svc.west.example';
    await eventually('west itself to call it', patienceMs, async () =>
      okOf(await call(lab, b, 'call-http', `http://${plain}/`)),
    );
    const byName = await eventually('the name server to answer', patienceMs, async () => {
      const result = await call(lab, a, 'call-http', `http://${plain}/`);
      return result.error?.includes('EAI_AGAIN') === true ? undefined : result;
    });
    if (byName.error?.includes('ENOTFOUND') !== true)
      throw new Error(`the name should be unknown in east: ${JSON.stringify(byName).slice(0, 300)}`);
    const bySni = mustRefuse('asked by SNI', await callGateway(scene, gateway, genuine, plain));
    await echoAnswers(scene, gateway, genuine);
    await b.api.delete(`/api/v1/namespaces/${demoNamespace}/services/plain`);
    return `west calls it; east by name: ${refusalOf(byName)}; at the gateway: ${inWords(bySni)}; echo the same way: 200`;
  });
  await story.step(
    'a Service exported to another peer only is refused to east, although the gateway knows it',
    async () => {
      const third = await startLegacyPeer(b);
      try {
        return await askForAnothers(scene, third, gateway, genuine);
      } finally {
        await third.stop();
        await b.api.delete(`${federations}/third`);
      }
    },
  );
  await story.step('a certificate for east’s trust domain minted by west’s root is refused', async () => {
    const forged = await mintCertificate(lab, b, eastClient, 'forged');
    const refused = mustRefuse('the forged one', await callGateway(scene, gateway, forged, westEcho));
    await echoAnswers(scene, gateway, genuine);
    const alert = /alert [a-z ]+/.exec(refused)?.[0] ?? inWords(refused);
    return `TLS ${alert}; west’s root vouches for west.example only; a genuine one the same way: 200`;
  });
}

/** What east gets of a Service that is exported to the third peer alone. */
async function askForAnothers(
  scene: Scene,
  third: RunningLegacyPeer,
  gateway: string,
  genuine: CertificateFiles,
): Promise<string> {
  const { a, b } = scene;
  await b.api.apply(
    `${federations}/third`,
    peerResource('third', {
      trustDomain: 'legacy.example',
      metadataEndpoint: third.ready.endpoint,
      metadata: { ca: third.ready.ca },
      exports: { serviceSelector: { matchLabels: { [onlyForLabel]: 'third' } } },
    }),
  );
  await applySecretWorkload(scene);
  await eventually('trust in the third peer', patienceMs, async () =>
    (await condition(b, 'third', 'TrustEstablished'))?.status === 'True' ? true : undefined,
  );
  const answer = await eventually(
    'the gateway to know the Service',
    patienceMs,
    async () => {
      const tried = await callGateway(scene, gateway, genuine, 'secret.demo.svc.west.example');
      return tried.status === undefined ? undefined : tried;
    },
    200,
  );
  if (answer.status !== 403) throw new Error(`the sidecar answered ${answer.status}`);
  if ((await serviceEntryHosts(a)).some((host) => host.startsWith('secret.'))) throw new Error('east imported it');
  return 'not offered to east; asked for all the same, west’s sidecar answers 403';
}

/** What shows that a refusal is meant for what was asked: the same call to echo, by the same way, is answered. */
async function echoAnswers(scene: Scene, gateway: string, genuine: CertificateFiles): Promise<void> {
  const answer = await callGateway(scene, gateway, genuine, westEcho);
  if (answer.status !== 200) throw new Error(`the same call to echo should pass, but: ${JSON.stringify(answer)}`);
}

/** A Service `plain` in front of echo's pods, by echo's own selector. */
function selecting<T extends object>(service: T): T {
  return {
    ...service,
    spec: {
      ...(service as { spec?: object }).spec,
      selector: { app: 'echo' },
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
    },
  };
}

async function applySecretWorkload({ b }: Scene): Promise<void> {
  const { applyDeployment, deploymentsAvailable, echoTemplate, injectSidecar } = await import('../lab/index.js');
  await applyDeployment(b, demoNamespace, echoTemplate(b, 'secret'), { inject: injectSidecar });
  await b.api.apply(`/api/v1/namespaces/${demoNamespace}/services/secret`, echoService(demoNamespace, 'secret'));
  await label(b, 'secret', { [publicLabel]: '', [onlyForLabel]: 'third' });
  await deploymentsAvailable(b, demoNamespace);
}

/** How soon an open connection is refused. A busy machine may be late once or twice: one round of so many has to show it. */
const promptMs = 5_000;
const promptRounds = 3;

interface Unlabelled {
  readonly end: GatewayAnswer;
  /** Milliseconds. */
  readonly refusedAfter: number;
}

/** Takes the label off while a connection is open; when that was refused, and how. */
async function unlabel(scene: Scene, genuine: CertificateFiles): Promise<Unlabelled> {
  const { b } = scene;
  const open = await holdConnection(scene, await gatewayAddress(b), genuine, westEcho);
  const started = performance.now();
  await label(b, 'echo', { [publicLabel]: null });
  const end = await open.end;
  const refusedAfter = Math.round(performance.now() - started);
  if (end.status !== 403) mustRefuse('the open connection', end);
  return { end, refusedAfter };
}

async function unshare(scene: Scene, story: Story): Promise<void> {
  const { lab, a, b } = scene;
  await story.step('the label removed: refused on an open connection, gone in east', async () => {
    const genuine = await mintCertificate(lab, a, eastClient, 'open');
    const isPrompt = (found: Unlabelled): boolean => found.refusedAfter <= promptMs;
    const { end, refusedAfter } = await inRounds(promptRounds, isPrompt, async () => {
      await label(b, 'echo', { [publicLabel]: '' });
      return unlabel(scene, genuine);
    });
    if (refusedAfter > promptMs) throw new Error(`after ${refusedAfter} ms: ${JSON.stringify(end)}`);
    await eventually('the ServiceEntry to go', patienceMs, async () =>
      (await serviceEntryHosts(a)).includes(westEcho) ? undefined : true,
    );
    const byName = await eventually('the call by name to fail', patienceMs, async () => {
      const result = await call(lab, a, 'call-http', `http://${westEcho}/`);
      return result.status === 404 || result.error?.includes('ENOTFOUND') === true ? result : undefined;
    });
    return `open connection refused (${end.status ?? inWords(end.refused)}) ${refusedAfter} ms after the label went; by name: ${refusalOf(byName)}`;
  });
  await story.step('the label set again: callable again', async () => {
    const started = performance.now();
    await label(b, 'echo', { [publicLabel]: '' });
    await eventually('the call', patienceMs, async () => okOf(await call(lab, a, 'call-http', `http://${westEcho}/`)));
    return `${Math.round(performance.now() - started)} ms`;
  });
}

async function scale({ b }: Scene, replicas: number): Promise<void> {
  const places = [
    ['istio-system', 'isthmus-mesh'],
    ['isthmus-system', 'isthmus-controller'],
    ['isthmus-system', 'isthmus-metadata-api'],
  ] as const;
  await Promise.all(
    places.map(([namespace, name]) =>
      b.api.patch(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`, { spec: { replicas } }),
    ),
  );
}

async function killControlPlane(scene: Scene, story: Story): Promise<void> {
  const { lab, a, b } = scene;
  await story.step('west’s control plane killed: calls go on, status tells, it heals', async () => {
    const load = startLoad(lab, {
      cluster: a.name,
      namespace: demoNamespace,
      pod: 'client',
      tool: 'call-http',
      target: `http://${westEcho}/`,
      rate: 20,
    });
    try {
      await eventually('calls', patienceMs, async () => ((load.latest()?.calls ?? 0) > 10 ? true : undefined));
      for (const name of ['controller', 'metadata-api', 'mesh'] as const) lab.kill(b.name, name);
      await scale(scene, 0);
      const told = await eventually('east’s status to tell', patienceMs, async () => {
        const synced = await condition(a, b.name, 'MetadataSynced');
        return synced?.status === 'False' ? synced : undefined;
      });
      const fresh = okOf(await call(lab, a, 'call-http', `http://${westEcho}/`));
      await scale(scene, 1);
      await federationIsReady(a, b.name);
      return `status meanwhile: MetadataSynced ${told.reason}; a new call took ${fresh.ms} ms; ${noFailures(await load.stop())}`;
    } finally {
      // Also when this step has failed: those that follow are not to meet what it left behind.
      await Promise.allSettled([load.stop(), scale(scene, 1)]);
    }
  });
}
