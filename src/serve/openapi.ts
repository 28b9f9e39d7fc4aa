// The service's OpenAPI document, which Fastify's routes give from their schemas.
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { mediaTypes } from './representations.js';
import {
  detectQuery,
  detectResult,
  errorBody,
  health,
  noQuery,
  spotQuery,
  spotResult,
} from './schemas.js';

const errors = (statuses: Readonly<Record<number, string>>) =>
  Object.fromEntries(
    Object.entries(statuses).map(([status, description]) => [
      status,
      { ...errorBody, description },
    ]),
  );

/** Answers of every route that needs a token. */
const refusals = {
  401: 'No token, or a wrong one',
  403: 'The request comes from another site’s web page, and the service has no token',
};

const workErrors = errors({
  ...refusals,
  400: 'A parameter or a form is wrong',
  406: 'Accept allows no form of the result',
  413: 'Too many bytes',
  415: 'The body is neither an image nor a form',
  422: 'The image can’t be read, or has too many pixels',
  503: 'The queue is full, or the service is stopping or recovering; Retry-After says when to try again',
  504: 'It took too long',
});

const results = (schema: object, reads: boolean) => ({
  description: 'The text regions, in the form that Accept asks for',
  content: Object.fromEntries(
    mediaTypes(reads).map((type) => [
      type,
      { schema: type === 'application/json' ? schema : { type: 'string' } },
    ]),
  ),
});

const plain = (type: string, description: string) => ({
  description,
  content: { [type]: { schema: {} } },
});

/** The schemas of the routes. */
export const operations = {
  '/v1/detect': {
    operationId: 'detect',
    summary: 'Finds the text regions of an image',
    tags: ['text'],
    querystring: detectQuery,
    response: { 200: results(detectResult, false), ...workErrors },
  },
  '/v1/spot': {
    operationId: 'spot',
    summary: 'Finds the text regions of an image and reads them',
    tags: ['text'],
    querystring: spotQuery,
    response: {
      200: results(spotResult, true),
      ...workErrors,
      ...errors({ 501: 'The service’s weights have no recognition head' }),
    },
  },
  healthz: {
    operationId: 'health',
    summary: 'Whether the process lives',
    tags: ['operation'],
    security: [],
    querystring: noQuery,
    response: { 200: health },
  },
  readyz: {
    operationId: 'readiness',
    summary: 'Whether requests for text are served',
    tags: ['operation'],
    security: [],
    querystring: noQuery,
    response: { 200: health, 503: health },
  },
  metrics: {
    operationId: 'metrics',
    summary: 'Metrics for Prometheus',
    tags: ['operation'],
    querystring: noQuery,
    response: { 200: plain('text/plain', 'Prometheus’ text format'), ...errors(refusals) },
  },
  openapi: {
    operationId: 'openapi',
    summary: 'This document',
    tags: ['operation'],
    querystring: noQuery,
    response: { 200: plain('application/json', 'OpenAPI 3.1'), ...errors(refusals) },
  },
};

const file = { type: 'string', contentMediaType: 'application/octet-stream' };

/** Bodies are not validated by a schema, because they are bytes. */
const requestBody = (reads: boolean) => ({
  required: true,
  description: 'A PNG, JPEG or WebP file, alone or as the part `image` of a form',
  content: {
    'image/*': {},
    'application/octet-stream': {},
    'multipart/form-data': {
      schema: {
        type: 'object',
        required: ['image'],
        properties: {
          image: file,
          ...(reads && {
            lexicon: { type: 'string', description: 'Words to choose from, one per line' },
          }),
        },
      },
    },
  },
});

/** Collects the routes that are added from now on; `app.swagger()` has the document. */
export async function addOpenapi(
  app: FastifyInstance,
  { version, hasToken }: { readonly version: string; readonly hasToken: boolean },
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'panpp',
        description: 'Finds text of any shape in photographs, on the GPU.',
        version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: hasToken ? [{ token: [] }] : [],
    },
    transformObject: (document) => {
      if (!('openapiObject' in document)) return document.swaggerObject;
      const { paths } = document.openapiObject;
      for (const [url, reads] of [
        ['/v1/detect', false],
        ['/v1/spot', true],
      ] as const)
        Object.assign(paths?.[url]?.post ?? {}, { requestBody: requestBody(reads) });
      return document.openapiObject;
    },
  });
}
