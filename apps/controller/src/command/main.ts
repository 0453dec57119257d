// `npm run isthmus -- …`, in the controller's image `isthmus …`: what an operator types. Acts through the Kubernetes API alone, as GitOps would.
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { clusterAccessFromEnvironment, HttpKubeClient } from '#kube';
import type { CommandContext } from './context.js';
import { parsePeer, revokeTrust, restoreTrust } from './revoke.js';
import { addSidecars } from './sidecar.js';
import { rotate, rotations, rotationWish } from './rotate.js';
import { noPeersLeft, showTrust } from './show.js';

interface Options {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace: string;
  readonly output: 'table' | 'json';
  readonly wait: boolean;
  readonly timeout?: string;
  readonly to?: string;
  readonly withdraw?: boolean;
}

const program = new Command('isthmus')
  .description('Trust of this cluster and in its peers; sidecars for workloads')
  .option('--kubeconfig <file>', 'kubeconfig; default: KUBECONFIG, ~/.kube/config, or the pod’s service account')
  .option('--context <name>', 'context of the kubeconfig')
  .option('-n, --namespace <name>', 'release namespace', 'isthmus-system')
  .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'))
  .showHelpAfterError();
const trust = program.command('trust').description('show, rotate, revoke, restore');

trust
  .command('show')
  .description('roots, signing keys and peers of this cluster, and what is under way')
  .action(() => run((context) => showTrust(context)));

trust
  .command('rotate')
  .description(
    'replace the signing key, the generated root CA, the door’s self-signed certificate or the addresses of gateways; no call is lost',
  )
  .argument(`<${rotations.join('|')}>`)
  .option(
    '--to <host:port,…>',
    'gateway-addresses: where gateways are from now on; the old are told beside them for a while',
  )
  .option('--withdraw', 'gateway-addresses: back to what the chart says or the gateway’s Service shows')
  .option('--no-wait', 'ask for it and return')
  .option('--timeout <seconds>', 'how long to wait; default: as long as the announced steps take')
  .action((what: string, options: Options) => {
    const { timeout = '600' } = options;
    const [wish, deadline] = [rotationWish(what, options, Date.now()), waiting({ ...options, timeout })];
    return run((context) => rotate(context, wish, deadline, options.timeout === undefined));
  });

trust
  .command('revoke')
  .description('withdraw all trust in a peer within seconds (sets spec.revoked) and tell what was cut')
  .argument('<istiofederation|istiomulticluster/NAME>')
  .option('--no-wait', 'set it and return')
  .option('--timeout <seconds>', 'how long to wait', '60')
  .action((text: string, options: Options) => {
    const [peer, deadline] = [parsePeer(text), waiting(options)];
    return run((context) => revokeTrust(context, peer, deadline));
  });

trust
  .command('restore')
  .description('give a revoked peer its trust back as it was known (unsets spec.revoked)')
  .argument('<istiofederation|istiomulticluster/NAME>')
  .option('--no-wait', 'set it and return')
  .option('--timeout <seconds>', 'how long to wait', '60')
  .action((text: string, options: Options) => {
    const [peer, deadline] = [parsePeer(text), waiting(options)];
    return run((context) => restoreTrust(context, peer, deadline));
  });

program
  .command('uninstall-check')
  .description('fail while there are peers: helm uninstall asks, since nobody is left after it to end trust in them')
  .action(() => run(noPeersLeft));

program
  .command('sidecar')
  .description('print manifests with the sidecar in each pod template, for this cluster; apply what it prints')
  .requiredOption('-f, --filename <file>', 'manifests, YAML or JSON; - = standard input')
  .requiredOption('--image <image>', 'image with pilot-agent and Envoy, as the gateway’s')
  .action(({ filename, image }: { readonly filename: string; readonly image: string }) => {
    const text = readFileSync(filename === '-' ? 0 : filename, 'utf8');
    return run(async (context) => context.print((await addSidecars(context, text, image)).trimEnd()));
  });

/** Undefined = do not wait; else until when, Unix milliseconds. */
function waiting({ wait, timeout = '' }: Options): number | undefined {
  const seconds = Number(timeout);
  if (!Number.isFinite(seconds) || seconds <= 0)
    throw new Error(`--timeout ${timeout}: give a number of seconds above 0`);
  return wait ? Date.now() + seconds * 1000 : undefined;
}

/** As kubectl: outside of a pod, and with nothing said, the file in the home folder. */
function ownKubeconfig(): string | undefined {
  const { KUBECONFIG, KUBERNETES_SERVICE_HOST } = process.env;
  const file = join(homedir(), '.kube', 'config');
  return KUBECONFIG === undefined && KUBERNETES_SERVICE_HOST === undefined && existsSync(file) ? file : undefined;
}

async function run(work: (context: CommandContext) => Promise<void>): Promise<void> {
  const { kubeconfig, context, namespace, output } = program.opts<Options>();
  const access = await clusterAccessFromEnvironment({ kubeconfig: kubeconfig ?? ownKubeconfig(), context });
  const client = new HttpKubeClient(access, 'isthmus-command');
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  // What happens on the way is for a person to read; a program reads the one JSON object at the end.
  const say = output === 'json' ? (): void => undefined : print;
  try {
    await work({ client, namespace, json: output === 'json', say, print });
  } finally {
    await client.close();
  }
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`isthmus: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
