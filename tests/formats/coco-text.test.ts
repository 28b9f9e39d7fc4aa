import { describe, expect, it } from 'vitest';
import { type ImageRegions, formatCocoText } from '../../src/formats/coco-text.js';
import { broken, dot, found, image, read, strangePath, strangeText } from './example.js';

// Broken up into lines; the file has one.
const twoImages = `{"cats":{},
"anns":{
"1":{"mask":[10,-2,60,8,56,28,6,18],"class":"machine printed","bbox":[6,-2,54,30],"image_id":1,"id":1,
"language":"english","area":1040,"utf8_string":"Open","legibility":"legible","score":0.9877,"text_score":0.9543},
"2":{"mask":[120,40,180,40,190,60,150,55,120,60],"class":"machine printed","bbox":[120,40,70,20],"image_id":1,"id":2,
"language":"english","area":1125,"utf8_string":"daily","legibility":"legible","score":0.9,"text_score":0.5},
"3":{"mask":[10,-2,60,8,56,28,6,18],"class":"machine printed","bbox":[6,-2,54,30],"image_id":3,"id":3,
"language":"english","area":1040,"utf8_string":"","legibility":"legible","score":0.9877}},
"imgs":{
"1":{"id":1,"set":"val","width":200,"height":100,"file_name":"../photos/street.jpg"},
"2":{"id":2,"set":"val","width":32,"height":64,"file_name":"empty.png"},
"3":{"id":3,"set":"val","width":200,"height":100,"file_name":"../photos/street.jpg"}},
"imgToAnns":{"1":[1,2],"2":[],"3":[3]},
"info":{"description":"Text regions found by panpp; class and language are not detected","version":"1.2.3"}}
`;

interface File {
  readonly anns: Record<
    string,
    { mask: number[]; bbox: number[]; area: number; utf8_string: string; legibility: string }
  >;
  readonly imgs: Record<string, { file_name: string }>;
}

const parsed = (...images: ImageRegions[]) => JSON.parse(formatCocoText(images)) as File;

describe('formatCocoText', () => {
  it('writes images and annotations by their numbers', () => {
    const images: ImageRegions[] = [
      { image, regions: read },
      { image: { path: 'empty.png', width: 32, height: 64 }, regions: [] },
      { image, regions: [found[0]] },
    ];
    expect(formatCocoText(images, { version: '1.2.3' })).toBe(
      `${twoImages.replaceAll('\n', '')}\n`,
    );
  });

  it('is a whole file for no images', () => {
    expect(formatCocoText([])).toBe(
      '{"cats":{},"anns":{},"imgs":{},"imgToAnns":{},' +
        '"info":{"description":"Text regions found by panpp; class and language are not detected"}}\n',
    );
  });

  it('measures boxes and areas as the data set does', () => {
    // Annotation 45346 of cocotext.v2.json: bbox [468.9, 286.7, 24.1, 9.1], area 206.06, which a
    // last digit's rounding may change by 0.01.
    const { anns } = parsed({
      image,
      regions: [
        {
          ...found[0],
          polygon: [
            [468.9, 286.7],
            [468.9, 295.2],
            [493, 295.8],
            [493, 287.2],
          ],
        },
      ],
    });
    expect(anns[1].bbox).toEqual([468.9, 286.7, 24.1, 9.1]);
    expect(Math.abs(anns[1].area - 206.06)).toBeLessThan(0.0101);
  });

  it('marks only regions with an empty word as illegible', () => {
    const { anns } = parsed({
      image,
      regions: [{ ...found[0], text: '', textScore: 0 }, found[1]],
    });
    expect(
      Object.values(anns).map(({ utf8_string, legibility }) => [utf8_string, legibility]),
    ).toEqual([
      ['', 'illegible'],
      ['', 'legible'],
    ]);
  });

  it('keeps every character of names and words', () => {
    const { imgs, anns } = parsed({
      image: { ...image, path: strangePath },
      regions: [{ ...read[0], text: strangeText }],
    });
    expect([imgs[1].file_name, anns[1].utf8_string]).toEqual([strangePath, strangeText]);
  });

  it('gives three corners at least; two would be taken for a box', () => {
    const { mask, bbox, area } = parsed({ image, regions: [dot] }).anns[1];
    expect({ mask, bbox, area }).toEqual({
      mask: [7, 9, 8, 9, 8, 10, 7, 10],
      bbox: [7, 9, 1, 1],
      area: 1,
    });
  });

  it('takes an outline of a hundred thousand corners', () => {
    const polygon = Array.from({ length: 200_000 }, (_, i): [number, number] => [i, i % 2]);
    expect(parsed({ image, regions: [{ ...found[0], polygon }] }).anns[1].bbox).toEqual([
      0, 0, 199_999, 1,
    ]);
  });

  it('refuses coordinates that are no numbers', () => {
    expect(() => formatCocoText([{ image, regions: [broken] }])).toThrow(
      'region 1 has NaN as coordinate',
    );
  });
});
