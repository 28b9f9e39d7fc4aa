#!/usr/bin/env node
// The command line: one command a file, exit codes, and errors in one line.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { addConvert } from './convert.js';
import { addDetect } from './detect.js';
import { addDoctor } from './doctor.js';
import { errorLine, exitCodes, say } from './report.js';

// A reader that has seen enough (`panpp detect … | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(exitCodes.done);
});

const program = new Command('panpp')
  .description('Finds text of any shape in photographs, on the GPU.')
  .version(packageVersion())
  // Commands made from here on inherit these two.
  .exitOverride()
  .showHelpAfterError('(--help tells more)');
for (const add of [addDetect, addConvert, addDoctor]) add(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.notStarted;
  else {
    say(`panpp: ${errorLine(error)}`);
    process.exitCode = exitCodes.notStarted;
  }
}

function packageVersion(): string {
  const path = createRequire(import.meta.url).resolve('panpp/package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
