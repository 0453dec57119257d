// Lint with teeth: the dependency picture of ARCHITECTURE.md is enforced here (and tested in test/architecture).
import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Layers from left to right; a folder may import only from layers strictly to its right (and from itself by relative path). */
export const layers = [
  ['platform', 'kube', 'store', 'peer-client'],
  ['reconcile'],
  ['planner', 'protocol', 'trust', 'xds'],
  ['crd', 'istio-api', 'proto'],
  ['model'],
];
const pure = ['model', 'crd', 'istio-api', 'planner', 'protocol', 'trust', 'xds', 'reconcile'];

const onlyIn = {
  '@nestjs/*': ['apps', 'platform'],
  typeorm: ['store'],
  pg: ['store'],
  '@kubernetes/client-node': ['kube'],
};

function forbiddenLibs(lib) {
  const own = layers.findIndex((layer) => layer.includes(lib));
  const rightward = layers.slice(own + 1).flat();
  return layers
    .flat()
    .filter((other) => !rightward.includes(other))
    .map((other) => `#${other}`);
}

const impureModules = [
  'fs',
  'net',
  'http',
  'https',
  'http2',
  'tls',
  'dgram',
  'dns',
  'child_process',
  'os',
  'worker_threads',
  'timers',
];

function importRules(lib) {
  const libs = lib === 'testing' ? [] : [...forbiddenLibs(lib), '#testing'];
  const packages = Object.entries(onlyIn)
    .filter(([, places]) => !places.includes(lib))
    .map(([name]) => name);
  const impure = pure.includes(lib)
    ? [...impureModules.flatMap((name) => [`node:${name}`, `node:${name}/*`]), '@grpc/*', 'undici']
    : [];
  return [
    {
      group: [...libs, ...packages, ...impure, '**/apps/**'],
      message: `not from libs/${lib}: see the dependency picture in ARCHITECTURE.md`,
    },
  ];
}

const clockAndRandom = [
  { object: 'Date', property: 'now', message: 'pure code takes the time as an argument' },
  { object: 'Math', property: 'random', message: 'pure code takes randomness as an argument' },
  { object: 'process', property: 'env', message: 'only config.ts reads the environment' },
];

const libConfigs = [...layers.flat(), 'testing'].map((lib) => ({
  files: [`libs/${lib}/src/**/*.ts`],
  ignores: ['**/*.spec.ts'],
  rules: {
    'no-restricted-imports': ['error', { patterns: importRules(lib), paths: pure.includes(lib) ? impureModules : [] }],
    ...(pure.includes(lib)
      ? {
          'no-restricted-properties': ['error', ...clockAndRandom],
          'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'fetch'],
        }
      : {}),
  },
}));

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'libs/proto/gen', 'charts'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
      complexity: ['error', 14],
      'max-depth': ['error', 3],
      'max-params': ['error', 5],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'max-lines': ['error', { max: 400 }],
    },
  },
  {
    files: ['**/*.spec.ts', 'test/**/*.ts'],
    rules: { 'max-lines-per-function': 'off', 'max-lines': 'off', '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        Buffer: 'readonly',
        setTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        console: 'readonly',
      },
    },
  },
  {
    files: ['apps/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['typeorm', 'pg', '@kubernetes/client-node', '#testing'],
              message: 'through libs/store and libs/kube only',
            },
          ],
        },
      ],
    },
  },
  ...libConfigs,
);
