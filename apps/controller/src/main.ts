import { ConfigFaultsError } from '#platform';
import { loadConfig } from './config.js';
import { runController } from './run.js';

try {
  await runController(loadConfig(process.env), process.argv.slice(2));
} catch (error) {
  const known = error instanceof ConfigFaultsError;
  process.stderr.write(
    `controller: ${known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = 1;
}
