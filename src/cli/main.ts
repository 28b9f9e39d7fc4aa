#!/usr/bin/env node
// Runs the command line: exit codes, and one-line errors.
import { CommanderError } from 'commander';
import { commandLine } from './command-line.js';
import { fileError } from './files.js';
import { commandProgram } from './program.js';
import { errorLine, exitCodes, say } from './report.js';

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

try {
  await commandProgram().parseAsync(commandLine(), { from: 'user' });
} catch (error) {
  if (error instanceof CommanderError) {
    if (error.exitCode !== 0) process.exitCode = exitCodes.failed;
  } else {
    say(`panpp: ${errorLine(error)}`);
    process.exitCode = exitCodes.failed;
  }
}

function endWith(error: Error): never {
  say(`panpp: ${errorLine(error)}`);
  process.exit(exitCodes.failed);
}
