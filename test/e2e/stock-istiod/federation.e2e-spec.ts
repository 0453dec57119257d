import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { mintCertificate } from '../../demo/certificates.js';
import { call, callGateway, condition, gatewayAddress, holdConnection, label, publicLabel } from '../../demo/scene.js';
import { eventually, patienceMs } from '../../demo/story.js';
import { federationIsReady } from '../../lab/index.js';
import type { LabCluster } from '../../lab/index.js';
import { caseLimitMs } from '../limits.js';
import { startStock, trustedDomains } from './istiod.js';
import type { Stock } from './istiod.js';

const hostIn = ({ plan }: LabCluster): string => `echo.demo.svc.${plan.clusterDomain}`;
let stock: Stock;

jest.setTimeout(caseLimitMs);

beforeAll(async () => {
  stock = await startStock('federation');
});

afterAll(async () => {
  await stock?.lab.stop();
});

async function answerTo(caller: LabCluster, callee: LabCluster): Promise<string> {
  return eventually(`an answer by ${callee.name}`, patienceMs, async () => {
    const { ok, body, status, error } = await call(stock.lab, caller, 'call-http', `http://${hostIn(callee)}/`);
    if (ok) return JSON.stringify(body);
    throw new Error(`${status ?? error}: ${JSON.stringify(body)}`);
  });
}

it('a sidecar under istiod calls what west exports, and is called: through both gateways, identities intact', async () => {
  const { east, west } = stock;
  const there = await answerTo(east, west);
  expect(there).toContain('"cluster":"west"');
  expect(there).toContain('URI=spiffe://east.example/ns/demo/sa/client');
  const here = await answerTo(west, east);
  expect(here).toContain('"cluster":"east"');
  expect(here).toContain('URI=spiffe://west.example/ns/demo/sa/client');
});

it('istiod is told of west’s root, and the resource says that it pools it', async () => {
  expect(await trustedDomains(stock)).toEqual(['west.example']);
  await eventually('TrustUnscoped', patienceMs, async () =>
    (await condition(stock.east, 'west', 'TrustUnscoped'))?.status === 'True' ? true : undefined,
  );
  await federationIsReady(stock.east, 'west');
});

it('what is exported no more is refused, on an open connection too', async () => {
  const { lab, east, west } = stock;
  const scene = { lab, a: west, b: east };
  const files = await mintCertificate(lab, west, 'spiffe://west.example/ns/demo/sa/client', 'west-client');
  const gateway = await gatewayAddress(east);
  expect((await callGateway(scene, gateway, files, hostIn(east))).status).toBe(200);
  const open = await holdConnection(scene, gateway, files, hostIn(east));
  await label(east, 'echo', { [publicLabel]: null });
  const end = await open.end;
  expect(end.status === 200 && end.refused === undefined).toBe(false);
  const anew = await callGateway(scene, gateway, files, hostIn(east));
  expect([anew.answers, anew.status]).not.toEqual([1, 200]);
});

it('un-trusting takes the root away', async () => {
  await stock.east.api.delete('/apis/isthmus.dev/v1alpha1/istiofederations/west');
  await eventually('the root to go', patienceMs, async () =>
    (await trustedDomains(stock)).length === 0 ? true : undefined,
  );
});
