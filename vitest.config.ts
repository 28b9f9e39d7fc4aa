import { defineConfig } from 'vitest/config';
import { wgslModule } from './scripts/wgsl-plugin.mjs';

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
    include: ['tests/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One software GPU already uses every core: files run one after another, each in its own process.
    fileParallelism: false,
    pool: 'forks',
  },
});
