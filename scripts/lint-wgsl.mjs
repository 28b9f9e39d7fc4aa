// Checks all shaders by the rules in wgsl-rules.ts; part of `npm run lint`.
import { readFileSync } from 'node:fs';
import { globSync } from 'tinyglobby';
import { importTs } from './import-ts.mjs';

const { wgslProblems } = await importTs('./wgsl-rules.ts');
const paths = globSync('shaders/**/*.wgsl').sort();
const problems = wgslProblems(paths.map((path) => ({ path, text: readFileSync(path, 'utf8') })));
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
