import { describe, expect, it } from 'vitest';
import { formatLabelme } from '../../src/formats/labelme.js';
import { broken, dot, found, image, read, strangePath, strangeText } from './example.js';

const twoRegions = `{
  "version": "5.5.0",
  "flags": {},
  "shapes": [
    {
      "label": "Open",
      "points": [
        [
          10,
          -2
        ],
        [
          60,
          8
        ],
        [
          56,
          28
        ],
        [
          6,
          18
        ]
      ],
      "group_id": null,
      "description": "{\\"score\\":0.9877,\\"text\\":\\"Open\\",\\"textScore\\":0.9543}",
      "shape_type": "polygon",
      "flags": {},
      "mask": null
    },
    {
      "label": "daily",
      "points": [
        [
          120,
          40
        ],
        [
          180,
          40
        ],
        [
          190,
          60
        ],
        [
          150,
          55
        ],
        [
          120,
          60
        ]
      ],
      "group_id": null,
      "description": "{\\"score\\":0.9,\\"text\\":\\"daily\\",\\"textScore\\":0.5}",
      "shape_type": "polygon",
      "flags": {},
      "mask": null
    }
  ],
  "imagePath": "../photos/street.jpg",
  "imageData": null,
  "imageHeight": 100,
  "imageWidth": 200
}
`;

interface File {
  readonly imagePath: string;
  readonly shapes: readonly { label: string; points: unknown; description: string }[];
}

const parsed = (...args: Parameters<typeof formatLabelme>) =>
  JSON.parse(formatLabelme(...args)) as File;

describe('formatLabelme', () => {
  it('writes the file that labelme writes', () => {
    expect(formatLabelme(image, read)).toBe(twoRegions);
  });

  it('labels regions without a word "text"', () => {
    const { shapes } = parsed(image, [found[0], { ...found[1], text: '', textScore: 0 }]);
    expect(shapes.map(({ label, description }) => [label, JSON.parse(description)])).toEqual([
      ['text', { score: 0.9877 }],
      ['text', { score: 0.9, text: '', textScore: 0 }],
    ]);
  });

  it('writes no shapes for no regions', () => {
    expect(formatLabelme(image, [])).toBe(`{
  "version": "5.5.0",
  "flags": {},
  "shapes": [],
  "imagePath": "../photos/street.jpg",
  "imageData": null,
  "imageHeight": 100,
  "imageWidth": 200
}
`);
  });

  it('keeps every character of names and words', () => {
    const { imagePath, shapes } = parsed({ ...image, path: strangePath }, [
      { ...read[0], text: strangeText },
    ]);
    expect([imagePath, shapes[0].label]).toEqual([strangePath, strangeText]);
  });

  it('gives three corners at least, which labelme’s tools insist on', () => {
    expect(parsed(image, [dot]).shapes[0].points).toEqual([
      [7, 9],
      [8, 9],
      [8, 10],
      [7, 10],
    ]);
  });

  it('refuses coordinates that are no numbers', () => {
    expect(() => formatLabelme(image, [found[0], broken])).toThrow(
      'region 2 has NaN as coordinate',
    );
  });
});
