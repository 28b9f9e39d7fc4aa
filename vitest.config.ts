import { defineConfig } from 'vitest/config';
import { wgslModule } from './scripts/wgsl-plugin.mjs';

// These start programs, lose devices, change what belongs to the whole process, or measure its time
// and memory.
const inProcessesOfTheirOwn = [
  'tests/{bench,browser,examples,gpu,node,serve}/*.test.ts',
  'tests/cli/{engine,files,interrupt,queue-addresses,report,result-files}.test.ts',
  'tests/{package,zip,checkpoint/limits}.test.ts',
];

// These run commands, mostly in a process that is warm (tests/cli/cli.ts).
const commands = ['tests/{cli,deploy}/*.test.ts'];

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
          setupFiles: ['tests/support/typed-arrays.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'commands',
          include: commands,
          exclude: inProcessesOfTheirOwn,
          isolate: false,
          setupFiles: ['tests/cli/setup.ts'],
        },
      },
      {
        extends: true,
        test: { name: 'own', include: inProcessesOfTheirOwn },
      },
    ],
  },
});
