// All fuzzed readers: for the test suite, and for `npm run fuzz`.
import { argumentTargets } from './targets/arguments.js';
import { checkpointTargets } from './targets/checkpoints.js';
import { evaluationTargets } from './targets/evaluation.js';
import { imageTargets } from './targets/images.js';
import { mergeTargets } from './targets/merge.js';
import { planTargets } from './targets/plans.js';
import { wordTargets } from './targets/words.js';
import type { Target } from './target.js';

export const targets: readonly Target[] = [
  ...imageTargets,
  ...checkpointTargets,
  ...evaluationTargets,
  ...wordTargets,
  ...mergeTargets,
  ...argumentTargets,
  ...planTargets,
];
