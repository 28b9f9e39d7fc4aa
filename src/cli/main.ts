#!/usr/bin/env node
// The command line: one command per file, exit codes, and one-line errors.
import { Command, CommanderError } from 'commander';
import { commandLine } from './command-line.js';
import { addConvert } from './convert.js';
import { addDetect } from './detect.js';
import { addDoctor } from './doctor.js';
import { addEval } from './eval.js';
import { addExport } from './export.js';
import { fileError } from './files.js';
import { errorLine, exitCodes, say } from './report.js';
import { addSpot } from './spot.js';
import { addTune } from './tune.js';
import { packageVersion } from './version.js';

// A closed pipe (`panpp detect … | head`) is not an error; a full disk is. The requested files are
// written in both cases.
let isStdoutLost = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' || isStdoutLost) return;
  isStdoutLost = true;
  say(`panpp: ${fileError('standard output', "can't be written: ", error).message}`);
  process.exitCode ||= exitCodes.someFailed;
});
process.stderr.on('error', () => {});
process.on('uncaughtException', endWith);

const program = new Command('panpp')
  .description('Finds text of any shape in photographs, on the GPU.')
  .version(packageVersion())
  // Commands made from here on inherit these two.
  .exitOverride()
  .showHelpAfterError('(see --help)');
for (const add of [addDetect, addSpot, addEval, addConvert, addExport, addTune, addDoctor])
  add(program);

try {
  await program.parseAsync(commandLine(), { from: 'user' });
} catch (error) {
  if (error instanceof CommanderError) {
    if (error.exitCode !== 0) process.exitCode = exitCodes.notStarted;
  } else {
    say(`panpp: ${errorLine(error)}`);
    process.exitCode = exitCodes.notStarted;
  }
}

function endWith(error: Error): never {
  say(`panpp: ${errorLine(error)}`);
  process.exit(exitCodes.notStarted);
}
