// Generates libs/proto/gen (JavaScript and its types) from the .proto files listed in libs/proto/protos.json and all they import.
// Sources: our own libs/proto/protos and the Envoy API inside a pinned npm package. Needs no network. `.stamp` is written last.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const vendored = join(root, 'node_modules/@grpc/grpc-js-xds/deps');
const sources = [
  join(root, 'libs/proto/protos'),
  join(vendored, 'envoy-api'),
  join(vendored, 'xds'),
  join(vendored, 'googleapis'),
  join(vendored, 'protoc-gen-validate'),
];
const output = join(root, 'libs/proto/gen');

/** Text of one .proto, or undefined for the well-known types, which the compiler carries itself. */
function readProto(path) {
  if (path.startsWith('google/protobuf/')) return undefined;
  const folder = sources.find((source) => existsSync(join(source, path)));
  if (folder === undefined) throw new Error(`${path}: not found in ${sources.join(', ')}`);
  return repaired(path, readFileSync(join(folder, path), 'utf8'));
}

/** The packaged validate.proto is older than the Envoy API beside it and lacks one field that the API uses. */
function repaired(path, text) {
  if (path !== 'validate/validate.proto' || !/message StringRules/.test(text)) return text;
  const rules = text.slice(text.indexOf('message StringRules'), text.indexOf('message BytesRules'));
  if (rules.includes('ignore_empty')) return text;
  return text.replace('message StringRules {', 'message StringRules {\n  optional bool ignore_empty = 26;');
}

function importClosure(roots) {
  const files = new Map();
  const queue = [...roots];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (files.has(path)) continue;
    const text = readProto(path);
    if (text === undefined) continue;
    files.set(path, text);
    for (const [, imported] of text.matchAll(/^\s*import\s+(?:public\s+|weak\s+)?"([^"]+)"\s*;/gm))
      queue.push(imported);
  }
  return files;
}

function stage(folder, files) {
  for (const [path, text] of files) {
    const target = join(folder, 'protos', path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
  // `strategy: all` runs the plugin once: 1 s instead of 15 s.
  const template = {
    version: 'v2',
    plugins: [
      {
        local: [process.execPath, join(root, 'node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es')],
        out: join(folder, 'gen'),
        opt: ['target=js+dts', 'import_extension=js'],
        strategy: 'all',
      },
    ],
  };
  writeFileSync(join(folder, 'buf.yaml'), JSON.stringify({ version: 'v2', modules: [{ path: 'protos' }] }));
  writeFileSync(join(folder, 'buf.gen.yaml'), JSON.stringify(template));
}

function generate(folder) {
  const buf = join(root, 'node_modules/@bufbuild/buf/bin/buf');
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  const result = spawnSync(process.execPath, [buf, 'generate'], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, PATH: path, BUF_CACHE_DIR: join(folder, 'cache') },
  });
  if (result.status !== 0) throw new Error(`buf generate failed: ${result.stderr || result.error?.message}`);
}

/** The new tree replaces the old one whole; a reader meets either, and `.stamp` only in a finished one. */
function install(folder, count) {
  const fresh = `${output}.new`;
  rmSync(fresh, { recursive: true, force: true });
  cpSync(join(folder, 'gen'), fresh, { recursive: true });
  rmSync(output, { recursive: true, force: true });
  renameSync(fresh, output);
  writeFileSync(join(output, '.stamp'), `${count} files\n`);
}

function main() {
  const { roots } = JSON.parse(readFileSync(join(root, 'libs/proto/protos.json'), 'utf8'));
  const files = importClosure(roots);
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-proto-'));
  try {
    stage(folder, files);
    generate(folder);
    install(folder, files.size);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write(`libs/proto/gen: ${files.size} protos\n`);
}

main();
