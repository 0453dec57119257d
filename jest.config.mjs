// One Jest, four projects: unit (seconds, needs nothing), architecture, integration (one real part each), e2e (the lab).
const libs = [
  'model',
  'crd',
  'istio-api',
  'planner',
  'protocol',
  'trust',
  'xds',
  'proto',
  'reconcile',
  'kube',
  'peer-client',
  'store',
  'platform',
  'testing',
];

const base = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2022',
          keepClassNames: true,
        },
        module: { type: 'es6' },
      },
    ],
  },
  moduleNameMapper: {
    ...Object.fromEntries(libs.map((lib) => [`^#${lib}$`, `<rootDir>/libs/${lib}/src/index.ts`])),
    '^#proto-gen/(.*)$': '<rootDir>/libs/proto/gen/$1.js',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};

const project = (displayName, testMatch) => ({ ...base, displayName, testMatch });

export default {
  maxWorkers: 2,
  workerIdleMemoryLimit: '512MB',
  // What a case waits for has bounds of its own: this one, of all projects, is for a machine that two suites share. (A project's own is read by nobody.)
  testTimeout: 30_000,
  projects: [
    project('unit', ['<rootDir>/{apps,libs,scripts,test}/**/*.spec.ts']),
    project('architecture', ['<rootDir>/test/architecture/**/*.arch-spec.ts']),
    project('integration', ['<rootDir>/test/integration/**/*.int-spec.ts']),
    project('e2e', ['<rootDir>/test/e2e/**/*.e2e-spec.ts']),
  ],
};
