// The image sizes that are measured.
import { PanppError } from '../src/errors.js';

export interface Size {
  readonly height: number;
  readonly width: number;
}

/**
 * Sizes of the network's input; 736 × 1312 is an ICDAR 2015 photograph at the authors' short side.
 */
export const standardSizes: readonly Size[] = [
  { height: 128, width: 128 },
  { height: 320, width: 320 },
  { height: 640, width: 640 },
  { height: 736, width: 1312 },
  { height: 1280, width: 1280 },
  { height: 2560, width: 2560 },
];

/** Parses `320x320,736x1312`: height × width, multiples of 32. Returns the smallest first. */
export function parseSizes(text: string): Size[] {
  const sizes = text.split(',').map((part) => {
    const [height, width] = (/^(\d+)x(\d+)$/.exec(part) ?? []).slice(1).map(Number);
    if (!(height > 0 && width > 0 && height % 32 === 0 && width % 32 === 0)) {
      throw new PanppError(
        'argument',
        `${part} is no size; give height and width, multiples of 32, for example 736x1312`,
      );
    }
    return { height, width };
  });
  return sizes.sort((a, b) => pixelsOf(a) - pixelsOf(b));
}

export function pixelsOf({ height, width }: Size): number {
  return height * width;
}

export function nameOf({ height, width }: Size): string {
  return height === width ? `${height}²` : `${height} × ${width}`;
}
