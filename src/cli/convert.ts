// panpp convert: turns a PyTorch checkpoint into a weights file.
import { dirname, join } from 'node:path';
import { Argument, type Command, Option } from 'commander';
import { shardNames } from '../checkpoint/shards.js';
import { PanppError } from '../errors.js';
import { detectionPresets } from '../network/config.js';
import { convertCheckpoint } from '../network/convert.js';
import { assertNoInput, readBytes, shown, writeBytes } from './files.js';
import { writing } from './interrupt.js';
import { exitCodes, say } from './report.js';
import { exiting } from './usage.js';

interface ConvertFlags {
  readonly half?: boolean;
  readonly architecture?: 'pan++' | 'pan';
  readonly ema?: boolean;
  readonly settings: keyof typeof detectionPresets;
  readonly vocabulary?: string;
}

export function addConvert(program: Command): void {
  program
    .command('convert')
    .summary('turn a PyTorch checkpoint into a weights file')
    .description(
      'Reads a PyTorch checkpoint of PAN++ or PAN (zip or legacy form, or safetensors; without Python), folds its batch norms and writes ' +
        'safetensors with the configuration inside. The backbone and the number of FPEMs are read from the checkpoint. For a checkpoint in ' +
        'several files, give the index, such as model.safetensors.index.json.',
    )
    .addArgument(new Argument('<checkpoint>', 'for example model.pth.tar; - is standard input'))
    .addArgument(new Argument('<weights>', 'file to write, for example model.safetensors'))
    .option('--half', 'store 16-bit floats: half the size')
    .addOption(
      new Option(
        '--architecture <name>',
        'how FPEMs are joined (default: pan++, and pan for mmocr’s PANet)',
      ).choices(['pan++', 'pan']),
    )
    .option('--ema', 'convert the checkpoint’s moving average (EMA) of the weights')
    .addOption(
      new Option('--settings <benchmark>', 'default settings of detect')
        .choices(Object.keys(detectionPresets))
        .default('icdar2015'),
    )
    .addOption(
      new Option(
        '--vocabulary <file>',
        'characters that the recognition head reads, in the order of its classes, as UTF-8 text (line ends are ignored)',
      ),
    )
    .action(exiting(convert));
}

async function convert(
  checkpoint: string,
  output: string,
  { half, architecture, ema, settings, vocabulary }: ConvertFlags,
): Promise<number> {
  const bytes = await readBytes(checkpoint);
  const shards = shardNames(bytes, checkpoint) ?? [];
  const pathOf = (shard: string) => join(dirname(checkpoint), shard);
  await assertNoInput(output, [checkpoint, ...shards.map(pathOf), vocabulary]);
  const { weights, config, emaLeft } = convertCheckpoint(bytes, {
    half,
    ema,
    shards: new Map(
      await Promise.all(shards.map(async (name) => [name, await readBytes(pathOf(name))] as const)),
    ),
    vocabulary: vocabulary === undefined ? undefined : await readCharacters(vocabulary),
    fusion: architecture,
    detection: detectionPresets[settings],
    source: checkpoint,
  });
  await writing(() => writeBytes(output, weights));
  const { block, blocks } = config.backbone;
  const layers = blocks.reduce((sum, count) => sum + count, 0) * (block === 'basic' ? 2 : 3) + 2;
  if (emaLeft)
    say(
      `panpp: ${checkpoint} also holds a moving average of the weights, under ${emaLeft}; --ema converts that instead`,
    );
  say(
    `${shown(output)}: ResNet-${layers}, ${config.neck.fpems} FPEMs, ${(weights.length / 1e6).toFixed(1)} MB`,
  );
  return exitCodes.done;
}

async function readCharacters(path: string): Promise<string[]> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readBytes(path));
  } catch (cause) {
    if (cause instanceof PanppError) throw cause;
    throw new PanppError(
      'file',
      `${path} is not UTF-8 text; a vocabulary file lists its characters one after another`,
      { cause },
    );
  }
  return [...text.replace(/[\r\n]/g, '')];
}
