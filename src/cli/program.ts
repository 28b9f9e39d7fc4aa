// The command line as commander's program: one command per file.
import { Command } from 'commander';
import { addConvert } from './convert.js';
import { addDetect } from './detect.js';
import { addDoctor } from './doctor.js';
import { addEnqueue } from './enqueue.js';
import { addEval } from './eval.js';
import { addExport } from './export.js';
import { addMerge } from './merge.js';
import { addQueue } from './queue.js';
import { addServe } from './serve.js';
import { addSpot } from './spot.js';
import { addTune } from './tune.js';
import { addWorker } from './worker.js';
import { packageVersion } from './version.js';

/** All commands; usage errors are thrown as commander's `CommanderError`. */
export function commandProgram(): Command {
  const program = new Command('panpp')
    .description('Finds text of any shape in photographs and reads it, on the GPU.')
    .version(packageVersion())
    // Commands made from here on inherit these two.
    .exitOverride()
    .showHelpAfterError('(see --help)');
  const commands = [
    ...[addDetect, addSpot, addEval, addMerge],
    ...[addServe, addEnqueue, addWorker, addQueue],
    ...[addConvert, addExport, addTune, addDoctor],
  ];
  for (const add of commands) add(program);
  return program;
}
