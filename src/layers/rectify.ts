// Samples words along their centrelines onto a page, where they stand level
// (shaders/rectify.wgsl): from bytes to the network's input.
import pixelsOfImages from '../../shaders/pixels.wgsl';
import source from '../../shaders/rectify.wgsl';
import { type Dispatch, type Slot, dispatch } from '../gpu/dispatch.js';
import { shaderOf } from '../wgsl/assemble.js';
import { type StructLayout, roundUp } from '../wgsl/struct.js';
import { type FeatureMap, bindingOf, featureMap } from './feature-map.js';

/** Rows of a page's line: a word with what is above and below it. */
export const lineHeight = 52;

const shader = shaderOf(pixelsOfImages, source)({ constants: { LINE: lineHeight } });

/** A page: lines of words, one below the other. */
export interface PageShape {
  readonly lines: number;
  /** A multiple of 32. */
  readonly width: number;
  /** Maximum number of words on it. */
  readonly words: number;
  /** Bytes for the pixels that the words are sampled from; a multiple of 4. */
  readonly bytes: number;
  /** Bytes per pixel. */
  readonly channels: 3 | 4;
}

export interface RectifyPlan {
  /** Written by the host, as the shader's header says. */
  readonly pixels: Slot;
  readonly columns: Slot;
  readonly sources: Slot;
  /** The page: red, green, blue, 0, normalised. Its height is rounded up to a multiple of 32. */
  readonly output: FeatureMap;
  readonly dispatches: readonly Dispatch[];
}

export function planRectify({ lines, width, words, bytes, channels }: PageShape): RectifyPlan {
  const pixels: Slot = { label: 'page.pixels', bytes };
  const columns: Slot = { label: 'page.columns', bytes: lines * width * columnLayout().size };
  const sources: Slot = { label: 'page.sources', bytes: words * sourceLayout().size };
  const height = roundUp(lines * lineHeight, 32);
  const output = featureMap('page', height, width, 4);
  const rectifying = dispatch({
    label: 'page.rectify',
    shader,
    constants: { CHANNELS: channels },
    bindings: { pixels, columns, sources, output: bindingOf(output) },
    uniforms: { lines, height, width },
    invocations: [height * width],
  });
  return { pixels, columns, sources, output, dispatches: [rectifying] };
}

/** Layout of a column in `columns`. */
export function columnLayout(): StructLayout {
  return shader.layout('Column');
}

/** Layout of a source in `sources`. */
export function sourceLayout(): StructLayout {
  return shader.layout('Source');
}
