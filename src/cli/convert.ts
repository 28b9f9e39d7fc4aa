// panpp convert: a PyTorch checkpoint to a weights file.
import { Argument, type Command, Option } from 'commander';
import { PanppError } from '../errors.js';
import { detectionPresets } from '../network/config.js';
import { convertCheckpoint } from '../network/convert.js';
import { assertNoInput, readBytes, shown, writeBytes } from './files.js';
import { exitCodes, say } from './report.js';
import { exiting } from './usage.js';

interface ConvertFlags {
  readonly half?: boolean;
  readonly architecture: 'pan++' | 'pan';
  readonly settings: keyof typeof detectionPresets;
  readonly vocabulary?: string;
}

export function addConvert(program: Command): void {
  program
    .command('convert')
    .summary('turn a PyTorch checkpoint into a weights file')
    .description(
      'Reads a PyTorch checkpoint of PAN++ or PAN (zip or legacy form, without Python), folds its batch norms and writes safetensors with ' +
        'the configuration inside. The backbone and the number of FPEMs are read off the checkpoint.',
    )
    .addArgument(new Argument('<checkpoint>', 'for example model.pth.tar; - is standard input'))
    .addArgument(new Argument('<weights>', 'file to write, for example model.safetensors'))
    .option('--half', 'store 16-bit floats: half the size')
    .addOption(new Option('--architecture <name>', 'how FPEMs are joined').choices(['pan++', 'pan']).default('pan++'))
    .addOption(
      new Option('--settings <benchmark>', 'default settings of detect').choices(Object.keys(detectionPresets)).default('icdar2015'),
    )
    .addOption(
      new Option('--vocabulary <file>', 'characters that the recognition head reads, in the order of its classes, as UTF-8 text (line ends are left out)'),
    )
    .action(exiting(convert));
}

async function convert(checkpoint: string, output: string, { half, architecture, settings, vocabulary }: ConvertFlags): Promise<number> {
  await assertNoInput(output, [checkpoint, vocabulary]);
  const { weights, config } = convertCheckpoint(await readBytes(checkpoint), {
    half,
    vocabulary: vocabulary === undefined ? undefined : await readCharacters(vocabulary),
    fusion: architecture,
    detection: detectionPresets[settings],
    source: checkpoint,
  });
  await writeBytes(output, weights);
  const { block, blocks } = config.backbone;
  const layers = blocks.reduce((sum, count) => sum + count, 0) * (block === 'basic' ? 2 : 3) + 2;
  say(`${shown(output)}: ResNet-${layers}, ${config.neck.fpems} FPEMs, ${(weights.length / 1e6).toFixed(1)} MB`);
  return exitCodes.done;
}

async function readCharacters(path: string): Promise<string[]> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readBytes(path));
  } catch (cause) {
    if (cause instanceof PanppError) throw cause;
    throw new PanppError('file', `${path} is no UTF-8 text; a vocabulary is its characters one after another`, { cause });
  }
  return [...text.replace(/[\r\n]/g, '')];
}
