// panpp export, in this process.
import { Command } from 'commander';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { addExport } from '../../src/cli/export.js';
import { exportOnnx } from '../../src/export/onnx.js';
import { readWeights } from '../../src/network/weights-file.js';
import { packagedWeights } from '../../src/node.js';

const folder = mkdtempSync(join(tmpdir(), 'panpp-export-'));
const file = join(folder, 'new', 'model.onnx');
afterAll(() => rmSync(folder, { recursive: true }));

async function run(...flags: string[]): Promise<void> {
  const program = new Command('panpp').exitOverride().configureOutput({ writeErr: () => {} });
  addExport(program);
  await program.parseAsync(['export', ...flags], { from: 'user' });
}

describe('panpp export', () => {
  const { exitCode } = process;
  afterEach(() => {
    process.exitCode = exitCode;
  });

  it('writes the package’s detector for one size', async () => {
    await run('--onnx', file, '--size', '64x96');
    const expected = exportOnnx(readWeights(readFileSync(packagedWeights())), {
      height: 64,
      width: 96,
    });
    expect(readFileSync(file).equals(expected)).toBe(true);
    expect(process.exitCode).toBe(0);
  });

  it.each([
    [['--onnx', file, '--size', '64'], /for example 736x1312/],
    [['--onnx', file, '--size', `${10 ** 20}x32`], /for example 736x1312/],
    [['--onnx', file, '--size', '64x100'], /width is 100; it must be a multiple of 32/],
    [['--onnx', join(folder, 'new')], /new: can't be written: is a folder/],
    [['--onnx', file, '--weights', join(folder, 'none')], /none: no such file or folder/],
    [[], /required option '--onnx <file>' not specified/],
  ])('refuses %j', async (flags, message) => {
    await expect(run(...flags)).rejects.toThrow(message);
  });
});
