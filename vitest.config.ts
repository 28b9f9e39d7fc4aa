import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [
    {
      // The build inlines WGSL as text; tests read it the same way.
      name: 'wgsl-as-text',
      enforce: 'pre',
      transform: (code, id) => (id.endsWith('.wgsl') ? `export default ${JSON.stringify(code)};` : undefined),
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
