import { defineConfig } from 'vitest/config';
import { wgslModule } from './scripts/wgsl-plugin.mjs';

// They compile the same shaders, which takes a software adapter longer than to run them; so they
// share devices (tests/support/gpu.ts).
const onSharedDevices = [
  'tests/{aggregation,layers,network,recognition,tuning}/*.test.ts',
  'tests/model/{model,out-of-memory,refusals,tiles}.test.ts',
  'tests/export/onnx.test.ts',
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
      { extends: true, test: { name: 'shared', include: onSharedDevices, isolate: false } },
      {
        extends: true,
        test: { name: 'own', include: ['tests/**/*.test.ts'], exclude: onSharedDevices },
      },
    ],
  },
});
