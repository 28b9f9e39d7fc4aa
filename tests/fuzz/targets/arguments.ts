// Command lines: only read, no command is run.
import { CommanderError } from 'commander';
import fc from 'fast-check';
import { isGlob } from '../../../src/cli/globs.js';
import { commandProgram } from '../../../src/cli/program.js';
import { PanppError } from '../../../src/errors.js';
import { parseToggles } from '../../../src/node/adapters.js';
import { target } from '../target.js';

const commands = ['detect', 'spot', 'eval', 'merge', 'convert', 'export', 'tune', 'doctor'];

/** Every long option of every command. */
const options = [
  ...new Set(
    commandProgram().commands.flatMap((command) =>
      command.options.map(({ long }) => long).filter((long) => typeof long === 'string'),
    ),
  ),
  '--help',
  '--version',
  '--',
  '-',
  '-x',
];

const values = fc.oneof(
  fc.constantFrom('0', '-1', '1e999', 'NaN', '0x10', '1e-9', '32', '736x1312', '', ' ', ',', '--'),
  fc.constantFrom('icdar2015', 'poly', 'f16', 'photo.jpg', '*.png', '{a,b}', '[', 'a\nb', '\udce9'),
  fc.string(),
);

const lines = fc
  .tuple(
    fc.oneof(fc.constantFrom(...commands), values),
    fc.array(
      fc.oneof(
        fc.constantFrom(...options),
        values,
        fc
          .tuple(fc.constantFrom(...options), values)
          .map(([option, value]) => `${option}=${value}`),
      ),
      { maxLength: 8 },
    ),
  )
  .map(([command, rest]) => [command, ...rest]);

async function readLine(line: readonly string[]): Promise<void> {
  const program = commandProgram();
  const silent = { writeOut() {}, writeErr() {} };
  for (const command of [program, ...program.commands]) command.configureOutput(silent);
  for (const command of program.commands)
    command.action((...given: unknown[]) => checkFlags(given.at(-2) as Record<string, unknown>));
  try {
    await program.parseAsync([...line], { from: 'user' });
  } catch (error) {
    // main.ts turns it into a line and exit code 2.
    if (!(error instanceof CommanderError)) throw error;
    throw new PanppError('argument', error.code);
  }
}

function checkFlags(flags: Readonly<Record<string, unknown>>): void {
  const odd = Object.entries(flags).find(([, value]) => Number.isNaN(value));
  if (odd) throw new Error(`--${odd[0]} was read as NaN`);
  if (typeof flags.toggles === 'string') parseToggles(flags.toggles);
  if (typeof flags.images === 'string') isGlob(flags.images);
}

export const argumentTargets = [
  target({ name: 'command line', inputs: lines, read: readLine, inSuite: 150 }),
];
