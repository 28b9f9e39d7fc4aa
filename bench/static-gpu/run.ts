// npm run static-gpu: profiles every family and writes STATIC.md and the baseline.
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { PanppError } from '../../src/errors.js';
import type { Precision } from '../../src/layers/precision.js';
import { projectFile } from '../paths.js';
import { openGpu } from '../../src/node.js';
import { photographAt } from '../photograph.js';
import { type Size, nameOf } from '../sizes.js';
import { type Baseline, findGrowth, knownCode } from './baseline.js';
import { type Family, driversHint, families, familyNamed, findDrivers } from './families.js';
import { ImageRun } from './host.js';
import { planPackaged } from './plan.js';
import { type FamilyProfile, profileFamily } from './profile.js';
import { type FamilyCode, type SizedPlan, precisions, writeReport } from './report.js';

declare const builtCommit: string;

const usage = `npm run static-gpu -- [--check [--families NAMES]]
Compiles the packaged model's kernels with Mesa's compilers for AMD, Intel and NVIDIA and writes bench/STATIC.md and
bench/static-gpu/baseline.json.
  --check            only compare with baseline.json; exit code 1 if a kernel spills more or has fewer subgroups in flight
                     than it had, or is new and spills at all or has fewer than 2
  --families NAMES   of these alone: ${families.map(({ name }) => name).join(',')}`;

/** Input size for the examined code; other sizes share nearly all of it. */
const codeSize: Size = { height: 640, width: 640 };
/** Input sizes of the plans whose dispatches, work and times are reported. */
const planSizes: readonly Size[] = [codeSize, { height: 736, width: 1312 }];
/**
 * The family whose plans are reported: its bands are those of most GPUs (src/layers/conv/bands.ts).
 */
const planFamily = familyNamed('ga102');
const baselinePath = projectFile('bench/static-gpu/baseline.json');

try {
  const {
    help,
    check,
    families: names,
  } = parseArgs({
    options: {
      help: { type: 'boolean' },
      check: { type: 'boolean' },
      families: { type: 'string' },
    },
  }).values;
  if (help) console.log(usage);
  else if (names !== undefined && !check)
    throw new PanppError(
      'argument',
      'what is written is of all families; --families goes with --check',
    );
  else
    process.exitCode = await main(
      check === true,
      names === undefined ? families : names.split(',').map(familyNamed),
    );
} catch (error) {
  const isUsageError =
    error instanceof PanppError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(isUsageError ? `${(error as Error).message}; --help lists the options` : error);
  process.exitCode = 2;
}

async function main(check: boolean, wanted: readonly Family[]): Promise<number> {
  const drivers = findDrivers();
  if (!drivers) {
    console.error(`there are no drivers to compile with; ${driversHint}`);
    return 2;
  }
  const baseline = JSON.parse(
    await readFile(baselinePath, 'utf8').catch(() => '{"families":{}}'),
  ) as Baseline;
  if (check && baseline.mesa !== drivers.version) {
    console.error(
      `baseline.json is of Mesa ${baseline.mesa} and the drivers are of ${drivers.version}; other compilers have other figures`,
    );
    return 2;
  }
  const codes: FamilyCode[] = [];
  for (const family of wanted) {
    const profiles = {} as Record<Precision, FamilyProfile>;
    for (const precision of precisions) {
      console.error(`${family.name}, ${precision}`);
      profiles[precision] = await profileFamily(family, drivers, codeSize, precision);
    }
    codes.push({ family, profiles });
  }
  const faults = codes.flatMap(({ family, profiles }) =>
    precisions.flatMap((precision) => {
      const known = baseline.families[family.name]?.[precision] ?? {};
      return findGrowth(profiles[precision].pipelines, known).map(
        (fault) => `${family.name} ${precision} ${fault}`,
      );
    }),
  );
  for (const fault of faults) console.error(`worse than known: ${fault}`);
  if (check) return faults.length > 0 ? 1 : 0;

  await writeFile(
    baselinePath,
    describeBaseline({
      mesa: drivers.version,
      size: codeSize,
      families: Object.fromEntries(
        codes.map(({ family, profiles }) => [family.name, codeOf(profiles)]),
      ),
    }),
  );
  const plans: SizedPlan[] = [];
  for (const size of planSizes) {
    console.error(`results of ${nameOf(size)}, computed by the embedded adapter`);
    const results = await resultsAt(size);
    for (const precision of precisions) {
      console.error(`plan of ${nameOf(size)}, ${precision}`);
      const { plan } = await profileFamily(planFamily, drivers, size, precision, results);
      plans.push({ size, precision, kernels: plan.kernels, ...plan.run! });
    }
  }
  console.error(
    `wrote ${await writeReport({ drivers, commit: builtCommit, size: codeSize, codes, plans })}`,
  );
  return 0;
}

/** What the run of the example photograph reads back; the layout is the same in both precisions. */
async function resultsAt(size: Size): Promise<Uint8Array> {
  const gpu = await openGpu({ adapter: 'swiftshader' });
  try {
    const planned = await planPackaged(gpu, size, 'f32');
    const image = await ImageRun.create(gpu, planned, await photographAt(size));
    await image.run();
    return await image.results();
  } finally {
    gpu.dispose();
  }
}

function codeOf(profiles: Readonly<Record<Precision, FamilyProfile>>) {
  return { f32: knownCode(profiles.f32.pipelines), f16: knownCode(profiles.f16.pipelines) };
}

/** One line per kernel, so that a diff shows what changed. */
function describeBaseline(baseline: Baseline): string {
  return `${JSON.stringify(baseline, undefined, 1).replace(/\{\s+("subgroup"[^{}]*?)\s+\}/g, (_, inner: string) => `{ ${inner.replace(/\n */g, ' ')} }`)}\n`;
}
