// panpp export: writes a weights file as a model for other runtimes.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { exportOnnx } from '../export/onnx.js';
import { readWeights } from '../network/weights-file.js';
import { readWeightsBytes, weightsOption } from './engine.js';
import { assertNoInput, shown, writeBytes } from './files.js';
import { writing } from './interrupt.js';
import { exitCodes, say } from './report.js';
import { exiting } from './usage.js';

interface ExportFlags {
  readonly onnx: string;
  readonly weights?: string;
  readonly size?: { readonly height: number; readonly width: number };
}

export function addExport(program: Command): void {
  program
    .command('export')
    .summary('write the detector as an ONNX model')
    .description(
      'Writes the detector for other runtimes: a normalised image of 1 × 3 × H × W (the file’s description says how) to ' +
        'text logits, kernel logits and instance vectors of 1 × 6 × H/4 × W/4. Sides that are not multiples of 32 are padded ' +
        'inside the model. Pixel aggregation and recognition are not part of it.',
    )
    .addOption(
      new Option('--onnx <file>', 'file to write, for example model.onnx').makeOptionMandatory(),
    )
    .addOption(weightsOption())
    .addOption(
      new Option(
        '--size <height>x<width>',
        'only for images of this size (multiples of 32), without padding',
      ).argParser(parseSize),
    )
    .action(exiting(writeModel));
}

function parseSize(text: string): ExportFlags['size'] {
  const match = /^(\d{1,5})x(\d{1,5})$/.exec(text);
  if (!match) throw new InvalidArgumentError('Give height and width, for example 736x1312.');
  return { height: Number(match[1]), width: Number(match[2]) };
}

async function writeModel({ onnx, size, ...options }: ExportFlags): Promise<number> {
  const { path, bytes } = await readWeightsBytes(options);
  await assertNoInput(onnx, [path]);
  const model = exportOnnx(readWeights(bytes, path), size);
  await writing(() => writeBytes(onnx, model));
  say(`${shown(onnx)}: ${(model.length / 1e6).toFixed(1)} MB`);
  return exitCodes.done;
}
