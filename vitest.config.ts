import { defineConfig } from 'vitest/config';
import { wgslModule } from './scripts/wgsl-plugin.mjs';

// These start programs, lose devices, or change what belongs to the whole process. All others share
// a process, and with it modules and devices (tests/support/gpu.ts): a software adapter takes longer
// to compile shaders than to run them.
const inProcessesOfTheirOwn = [
  'tests/{browser,cli,deploy,examples,gpu,node,serve}/*.test.ts',
  'tests/bench/*.test.ts',
  'tests/package.test.ts',
];

export default defineConfig({
  plugins: [
    {
      // As the build does.
      name: 'wgsl',
      enforce: 'pre',
      transform: (code, id) => (id.endsWith('.wgsl') ? wgslModule(id, code) : undefined),
    },
  ],
  test: {
    // Only against hanging: with an empty shader cache lavapipe compiles for minutes.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    // A software GPU does not use every core all the time, and other tests use one.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['tests/**/*.test.ts'],
          exclude: inProcessesOfTheirOwn,
          isolate: false,
        },
      },
      { extends: true, test: { name: 'own', include: inProcessesOfTheirOwn } },
    ],
  },
});
