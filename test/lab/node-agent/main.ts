import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { kubeClientFromEnvironment } from '#kube';
import type { KubeLogger } from '#kube';
import { cacheDirectory } from '../../../scripts/setup/cache.js';
import { NodeAgent } from './agent.js';
import { serveLogs } from './log-server.js';
import type { NodeSettings } from './settings.js';

const needed = [
  'kubeconfig',
  'node',
  'pod-bridge',
  'pod-cidr',
  'node-ip',
  'cluster-dns',
  'cluster-domain',
  'region',
  'zone',
  'images',
  'state',
] as const;

type Flag = (typeof needed)[number];

function settingsFrom(args: readonly string[]): NodeSettings {
  const flags = Object.fromEntries(needed.map((name) => [name, { type: 'string' as const }]));
  const options = {
    ...flags,
    memory: { type: 'string' as const },
    show: { type: 'string' as const, multiple: true as const },
  };
  const values: Readonly<Record<string, unknown>> = parseArgs({ args: [...args], options, strict: true }).values;
  const missing = needed.filter((name) => typeof values[name] !== 'string');
  if (missing.length > 0) throw new Error(`missing ${missing.map((name) => `--${name}`).join(', ')}`);
  const flag = (name: Flag): string => String(values[name]);
  const { memory, show = [] } = values;
  return {
    kubeconfig: flag('kubeconfig'),
    node: flag('node'),
    podBridge: flag('pod-bridge'),
    podCidr: flag('pod-cidr'),
    nodeIp: flag('node-ip'),
    clusterDns: flag('cluster-dns'),
    clusterDomain: flag('cluster-domain'),
    region: flag('region'),
    zone: flag('zone'),
    images: resolve(flag('images')),
    state: resolve(flag('state')),
    memory: typeof memory === 'string' ? resolve(memory) : join('/run/node-agent', flag('node')),
    shown: [...new Set([...defaultFolders(), ...(show as readonly string[]).map((path) => resolve(path))])],
  };
}

/** This repository, the folder of the real parts and the Node that runs us. */
function defaultFolders(): readonly string[] {
  let root = import.meta.dirname;
  while (!existsSync(join(root, 'package-lock.json')) && dirname(root) !== root) root = dirname(root);
  const node = dirname(dirname(process.execPath));
  return [root, cacheDirectory(process.env), ...(node.startsWith(`${root}/`) || node === '/usr' ? [] : [node])].filter(
    existsSync,
  );
}

/** One line of JSON per event, as the other processes of the lab log. */
function jsonLogger(): KubeLogger {
  const write =
    (level: string) =>
    (fields: object, message: string): void => {
      const { err, ...rest } = fields as { err?: unknown };
      const shown =
        err instanceof Error ? { error: err.stack ?? err.message } : err === undefined ? {} : { error: err };
      process.stdout.write(
        `${JSON.stringify({ time: new Date().toISOString(), level, message, ...rest, ...shown })}\n`,
      );
    };
  return { debug: () => undefined, info: write('info'), warn: write('warn'), error: write('error') };
}

async function main(): Promise<void> {
  const settings = settingsFrom(process.argv.slice(2));
  mkdirSync(settings.state, { recursive: true });
  mkdirSync(settings.memory, { recursive: true, mode: 0o711 });
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  const client = await kubeClientFromEnvironment({ kubeconfig: settings.kubeconfig, userAgent: 'node-agent' });
  await serveLogs(settings.state, settings.nodeIp, stopping.signal);
  await new NodeAgent(settings, client, jsonLogger()).run(stopping.signal);
  // Containers live on; only this process ends.
  process.exit(0);
}

main().catch((error: unknown) => {
  process.stderr.write(`node agent: ${(error as Error).stack ?? String(error)}\n`);
  process.exit(1);
});
