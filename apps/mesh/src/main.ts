import 'reflect-metadata';
import { ConfigFaultsError } from '#platform';
import { runMesh } from './app.module.js';
import { loadConfig } from './config.js';

async function main(): Promise<void> {
  const config = loadConfig(process.argv.slice(2), process.env);
  if (config.checkOnly) {
    process.stdout.write('mesh: configuration is sound\n');
    return;
  }
  await runMesh(config);
}

main().catch((error: unknown) => {
  const text =
    error instanceof ConfigFaultsError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`mesh: ${text}\n`);
  process.exit(1);
});
