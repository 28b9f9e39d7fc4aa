// panpp doctor: reports the adapters, what they can do, and what is missing.
import type { Command } from 'commander';
import { describeDiagnosis, diagnose } from '../node/doctor.js';
import { withoutDawnNotices } from './dawn-notices.js';
import { exitCodes } from './report.js';
import { exiting } from './usage.js';

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('list the GPU adapters and what is missing')
    .description(
      'Lists the GPU adapters with driver, features and limits, which one would be used, and what to install if something is missing.',
    )
    .option('--json', 'as JSON')
    .action(exiting(doctor));
}

async function doctor({ json }: { json?: boolean }): Promise<number> {
  const diagnosis = await withoutDawnNotices(diagnose);
  process.stdout.write(
    `${json ? JSON.stringify(diagnosis, undefined, 2) : describeDiagnosis(diagnosis)}\n`,
  );
  return diagnosis.usable ? exitCodes.done : exitCodes.someFailed;
}
