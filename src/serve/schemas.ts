// The JSON schemas of the service's parameters and answers. Requests are validated by them, and the
// OpenAPI document is made from them.
import { type Bounds, settingBounds, thresholdNames } from '../model/outside-settings.js';
import { defaultCorrection } from '../recognition/lexicon.js';

/** Parameters of `/v1/detect`, once they are valid. */
export interface DetectParameters {
  readonly file?: string;
  readonly shortSide?: number;
  readonly maxSide?: number;
  readonly tileSide?: number;
  readonly bbox?: 'rect' | 'poly';
  readonly tolerance?: number;
  readonly minScore?: number;
  readonly minArea?: number;
}

/** Parameters of `/v1/spot`, once they are valid. */
export interface SpotParameters extends DetectParameters, Partial<typeof defaultCorrection> {
  readonly beam?: number;
  readonly characters?: boolean;
  readonly rectify?: boolean;
  readonly correct?: boolean;
}

const within = (type: 'integer' | 'number', [minimum, maximum]: Bounds, description: string) => ({
  type,
  minimum,
  maximum,
  description,
});

const detectParameters = {
  file: {
    type: 'string',
    minLength: 1,
    maxLength: 255,
    description: 'Name of the image in the result; default: that of the form’s file, or "image"',
  },
  shortSide: within(
    'integer',
    settingBounds.shortSide,
    'The image is resized so that its shorter side has this many pixels',
  ),
  maxSide: within(
    'integer',
    settingBounds.maxSide,
    'Limit for the longer side after resizing, pixels',
  ),
  tileSide: within(
    'integer',
    settingBounds.tileSide,
    'Larger images are processed in overlapping tiles of this side, pixels',
  ),
  bbox: { type: 'string', enum: ['rect', 'poly'], description: 'Rectangles or outlines' },
  tolerance: within(
    'number',
    settingBounds.tolerance,
    'With bbox=poly: outlines are simplified by at most this distance, pixels',
  ),
  minScore: within(
    'number',
    settingBounds.minScore,
    'Regions with a lower mean text probability are dropped',
  ),
  minArea: within('number', settingBounds.minArea, 'Smaller regions are dropped, pixels'),
};

const thresholds = {
  lengthThreshold: 'Words of fewer characters are dropped',
  scoreThreshold: 'Words with a higher score are kept as they are',
  nonAlphaScoreThreshold: 'Words that are not all letters are kept if their score is higher',
  ignoreScoreThreshold: 'Words with a lower score are dropped',
  editDistanceThreshold: 'The lexicon’s nearest word is taken if it is fewer edits away',
} as const satisfies Record<keyof typeof defaultCorrection, string>;

const spotParameters = {
  ...detectParameters,
  beam: within('integer', settingBounds.beam, 'Width of the beam search; default: 1, greedy'),
  characters: { type: 'boolean', description: 'Each character’s probability and position too' },
  rectify: {
    type: 'boolean',
    description:
      'Read each region also rectified, along its centreline, and keep the better reading; default: true',
  },
  correct: { type: 'boolean', description: 'Correct words without a lexicon too' },
  ...Object.fromEntries(
    thresholdNames.map((name) => [
      name,
      within(
        'number',
        settingBounds[name],
        `${thresholds[name]}; needs correct=true or a lexicon; default: ${defaultCorrection[name]}`,
      ),
    ]),
  ),
};

const query = (properties: object) => ({ type: 'object', additionalProperties: false, properties });

export const detectQuery = query(detectParameters);
export const spotQuery = query(spotParameters);
export const noQuery = query({});

const point = {
  type: 'array',
  items: { type: 'number' },
  minItems: 2,
  maxItems: 2,
  description: '[x, y]',
};

const object = (properties: Record<string, object>, optional: readonly string[] = []) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
});

const region = {
  polygon: { type: 'array', items: point, description: 'In pixels of the image' },
  box: object({
    left: { type: 'number' },
    top: { type: 'number' },
    right: { type: 'number' },
    bottom: { type: 'number' },
  }),
  score: { type: 'number', description: 'Mean text probability' },
  area: { type: 'number', description: 'Pixels' },
};

const reading = {
  text: { type: 'string' },
  textScore: { type: 'number', description: 'Mean probability of the characters' },
  characters: {
    type: 'array',
    items: object({
      character: { type: 'string' },
      probability: { type: 'number' },
      attention: point,
    }),
  },
};

function result(regions: object) {
  return object({
    file: { type: 'string' },
    width: { type: 'integer', description: 'Pixels' },
    height: { type: 'integer', description: 'Pixels' },
    regions: { type: 'array', items: regions },
    timings: {
      type: 'object',
      additionalProperties: { type: 'number' },
      description: 'Milliseconds by stage; of the whole batch if the image was one of several',
    },
  });
}

export const detectResult = result(object(region));
export const spotResult = result(object({ ...region, ...reading }, ['characters']));

export const errorBody = {
  ...object({
    error: object({
      code: { type: 'string', description: 'The kind of error' },
      message: { type: 'string', description: 'One line: what is wrong, and what to do' },
    }),
  }),
  description: 'An error',
};

export const health = {
  ...object({ status: { type: 'string' }, reason: { type: 'string' } }, ['reason']),
  description: 'The state, and the reason if it is not ready',
};
