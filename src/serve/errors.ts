// What an error becomes in HTTP: a status, and a JSON body with a code and one line.
import type { FastifyError } from 'fastify';
import { type ErrorCode, PanppError, onOneLine } from '../errors.js';

/** Conditions of the service that have no `PanppError`. */
export type ServiceErrorCode =
  | 'unauthorized' // no token, or a wrong one
  | 'forbidden' // another site's web page
  | 'not-found' // no such address
  | 'method' // the address takes other methods
  | 'not-acceptable' // no result format that the client accepts
  | 'media-type' // the body is neither an image nor a form
  | 'body' // the body can't be read as what it says it is
  | 'too-large' // more bytes than are accepted
  | 'busy' // as many requests as are accepted
  | 'stopping' // the service is stopping
  | 'timeout' // it took too long
  | 'internal'; // a fault of the service

/** An error that the service answers with. */
export class ServiceError extends Error {
  constructor(
    readonly status: number,
    readonly code: ServiceErrorCode,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** What a client gets. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly code: ErrorCode | ServiceErrorCode;
  readonly message: string;
}

/** For errors that go away by themselves. */
export const soon = { 'retry-after': '1' };

const statusOf: Readonly<Record<ErrorCode, number>> = {
  image: 422,
  argument: 400,
  // Of the weights only their lack of a recognition head shows here.
  weights: 501,
  adapter: 503,
  'device-lost': 503,
  disposed: 503,
  shader: 500,
  checkpoint: 500,
  evaluation: 500,
  file: 500,
};

/** The error of a request with more bytes, or parts, than are read. */
export function tooLarge(maxBytes: number): ServiceError {
  return new ServiceError(
    413,
    'too-large',
    `the request is too large: one image of at most ${maxBytes} bytes is accepted; make it smaller`,
  );
}

/** @param maxBytes the limit that a body may have exceeded */
export function answerOf(error: unknown, maxBytes: number): ErrorAnswer {
  if (error instanceof ServiceError) {
    const { status, code, message, headers } = error;
    return { status, code, message: onOneLine(message), headers };
  }
  if (error instanceof PanppError) {
    const { code, message } = error;
    const status = statusOf[code];
    return { status, code, message, headers: status === 503 ? soon : {} };
  }
  return { ...answerOfFastify(Object(error) as Partial<FastifyError>, maxBytes), headers: {} };
}

/** Status and message by Node's error code. */
const brokenRequests: ReadonlyMap<string | undefined, readonly [string, string]> = new Map([
  ['HPE_HEADER_OVERFLOW', ['431 Request Header Fields Too Large', 'the headers are too long']],
  ['ERR_HTTP_REQUEST_TIMEOUT', ['408 Request Timeout', 'the request took too long to arrive']],
]);

/**
 * The whole answer, headers included, to bytes that are no HTTP request.
 * @param code Node's, of the error
 */
export function answerToBrokenRequest(code: string | undefined, requestId: string): string {
  const [status, message] = brokenRequests.get(code) ?? [
    '400 Bad Request',
    `this is no HTTP request (${code ?? 'unknown error'})`,
  ];
  const body = JSON.stringify({ error: { code: 'body', message } });
  return [
    `HTTP/1.1 ${status}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}

function answerOfFastify(
  { statusCode = 500, message = '' }: Partial<FastifyError>,
  maxBytes: number,
): Omit<ErrorAnswer, 'headers'> {
  if (statusCode === 413) {
    const { status, code, message } = tooLarge(maxBytes);
    return { status, code, message };
  }
  if (statusCode === 415)
    return {
      status: 415,
      code: 'media-type',
      message:
        'the content type is not one of image/*, application/octet-stream and multipart/form-data; with curl: -F image=@FILE',
    };
  if (statusCode >= 400 && statusCode < 500)
    return { status: statusCode, code: 'body', message: onOneLine(message) };
  return {
    status: 500,
    code: 'internal',
    message: 'a fault of the service; its log has it under the request’s x-request-id',
  };
}
