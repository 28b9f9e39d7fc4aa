// Infers a checkpoint's architecture from its tensor names. The caller must give what names don't
// show: the FPEMs of PAN and PAN++ have the same parameters.
import type { NamedTensor } from '../checkpoint/tensor.js';
import { PanppError, shortened } from '../errors.js';
import {
  type BackboneConfig,
  type DetectionSettings,
  type ModelConfig,
  type NeckConfig,
  type RecognitionConfig,
  specialClasses,
  vocabularies,
} from './config.js';

/**
 * Returns the configuration of a checkpoint.
 * @param source name used in error messages
 * @param vocabulary the characters that a recognition head reads; default: the authors' vocabulary
 * with that number of classes
 * @throws PanppError `weights` if the checkpoint is neither PAN nor PAN++, or if its recognition
 * head has another number of classes
 */
export function inferConfig(
  tensors: ReadonlyMap<string, NamedTensor>,
  fusion: NeckConfig['fusion'],
  detection: DetectionSettings,
  source: string,
  vocabulary?: readonly string[],
): ModelConfig {
  const count = (pattern: RegExp) => {
    const found = new Set<string>();
    for (const name of tensors.keys()) {
      const match = pattern.exec(name);
      if (match) found.add(match[1]);
    }
    return found.size;
  };
  const blocks = [1, 2, 3, 4].map((layer) =>
    count(new RegExp(`^backbone\\.layer${layer}\\.(\\d+)\\.`)),
  );
  const fpems = count(/^fpem(\d+)\./);
  if (blocks.includes(0) || fpems === 0) {
    const names = [...tensors.keys()];
    const some = names
      .slice(0, 4)
      .map((name) => shortened(name))
      .join(', ');
    throw new PanppError(
      'weights',
      `${source} holds no PAN or PAN++ (names such as backbone.layer1.0.conv1.weight and fpem1.dwconv3_1.weight are missing); ` +
        (names.length > 0
          ? `it has ${names.length} tensors: ${some}${names.length > 4 ? ', …' : ''}`
          : 'it has no tensors'),
    );
  }
  const backbone: BackboneConfig = {
    block: tensors.has('backbone.layer1.0.conv3.weight') ? 'bottleneck' : 'basic',
    blocks: blocks as [number, number, number, number],
  };
  const recognition = inferRecognition(tensors, source, vocabulary);
  return { backbone, neck: { fpems, fusion }, detection, ...(recognition && { recognition }) };
}

function inferRecognition(
  tensors: ReadonlyMap<string, NamedTensor>,
  source: string,
  vocabulary?: readonly string[],
): RecognitionConfig | undefined {
  const classifier = tensors.get('rec_head.decoder.cls.weight');
  if (!classifier) {
    if (vocabulary)
      throw new PanppError(
        'weights',
        `${source} has no recognition head, so it has no vocabulary; leave out the vocabulary`,
      );
    return undefined;
  }
  const characters = classifier.shape[0] - specialClasses;
  const chosen =
    vocabulary ?? Object.values(vocabularies).find(({ length }) => length === characters);
  if (!chosen)
    throw new PanppError(
      'weights',
      `${source} reads ${characters} characters, which fits no known vocabulary; give the vocabulary`,
    );
  if (chosen.length !== characters) {
    throw new PanppError(
      'weights',
      `${source} reads ${characters} characters and the vocabulary has ${chosen.length}; the two must agree`,
    );
  }
  return { vocabulary: chosen };
}
