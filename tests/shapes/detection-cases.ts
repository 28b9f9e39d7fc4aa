// The reference's cases from the head's map to the final regions.
import { readSafetensors } from '../../src/checkpoint/safetensors.js';
import { referenceBytes } from '../support/reference.js';

export interface DetectionCase {
  /** Number in the file, three digits. */
  readonly id: string;
  /** Text logit, kernel logit and four planes of instance vectors, `height` × `width` each. */
  readonly det: Float32Array;
  readonly height: number;
  readonly width: number;
  /** Label map without the regions that the filters drop. */
  readonly label: Int32Array;
  readonly expected: DetectionMetadata;
}

interface DetectionMetadata {
  readonly img_size: readonly [height: number, width: number];
  readonly org_img_size: readonly [height: number, width: number];
  readonly min_score: number;
  readonly min_area: number;
  readonly min_kernel_area: number;
  readonly scale: number;
  readonly bbox_type: 'rect' | 'poly';
  /** x, y, x, y, … of each region. */
  readonly bboxes: readonly (readonly number[])[];
  readonly scores: readonly number[];
  /** Top, left, bottom, right by label. */
  readonly bboxes_h: readonly (readonly number[])[];
  /** Labels of the regions. */
  readonly instances: readonly number[];
}

export function readDetectionCases(): DetectionCase[] {
  const { tensors, metadata } = readSafetensors(referenceBytes('detection_results.safetensors'));
  return (JSON.parse(metadata.cases) as DetectionMetadata[]).map((expected, i) => {
    const id = String(i).padStart(3, '0');
    const det = tensors.get(`${id}.det`)!;
    const [, height, width] = det.shape;
    const label = Int32Array.from(tensors.get(`${id}.label`)!.data, Number);
    return { id, det: det.data as Float32Array, height, width, label, expected };
  });
}
