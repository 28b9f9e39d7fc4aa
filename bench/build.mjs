// Bundles the bench into bench/dist, to run with Node alone: on top of the packages in node_modules
// and of dist/.
import { execFileSync } from 'node:child_process';
import { build } from 'esbuild';
import { wgslPlugin } from '../scripts/wgsl-plugin.mjs';

await build({
  // All in one folder: paths.ts finds the project's files relative to it.
  entryPoints: {
    run: 'bench/run.ts',
    'gpu-host': 'bench/gpu-host.ts',
    fuzz: 'bench/fuzz/run.ts',
    'fuzz-reader': 'bench/fuzz/reader.ts',
    soak: 'bench/soak/run.ts',
    'static-gpu': 'bench/static-gpu/run.ts',
    serve: 'bench/serve/run.ts',
    'serve-stand-in': 'bench/serve/stand-in.ts',
    'static-gpu-compile': 'bench/static-gpu/compile.ts',
  },
  outdir: 'bench/dist',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  plugins: [wgslPlugin()],
  define: { builtCommit: JSON.stringify(commit()) },
  logLevel: 'warning',
});

function commit() {
  try {
    const git = (...args) =>
      execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    const changed = git(
      'status',
      '--porcelain',
      '--',
      'src',
      'shaders',
      'bench',
      'weights',
      ':!bench/*.md',
      ':!bench/records',
      ':!bench/charts',
    );
    return git('rev-parse', '--short', 'HEAD') + (changed ? '+' : '');
  } catch {
    return 'unknown';
  }
}
