import { defineConfig } from 'vitest/config';
import { wgslModule } from './scripts/wgsl-plugin.mjs';

// These run commands, mostly in a process that is warm (tests/cli/cli.ts).
const commands = [
  'tests/cli/{convert,dawn-notices,detect,doctor,eval,eval-run,merge,queue,serve,shard,spot,tune}.test.ts',
  'tests/deploy/*.test.ts',
];

// These start programs, lose devices, or change what belongs to the whole process.
const inProcessesOfTheirOwn = [
  'tests/{bench,browser,cli,examples,gpu,node,serve}/*.test.ts',
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
    // Test files share processes where they can, and with them modules, devices and compiled shaders:
    // a software adapter takes longer to compile shaders than to run them.
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['tests/**/*.test.ts'],
          exclude: [...commands, ...inProcessesOfTheirOwn],
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'commands',
          include: commands,
          isolate: false,
          setupFiles: ['tests/cli/setup.ts'],
        },
      },
      {
        extends: true,
        test: { name: 'own', include: inProcessesOfTheirOwn, exclude: commands },
      },
    ],
  },
});
