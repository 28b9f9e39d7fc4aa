// The service: text detection and reading over HTTP. Routes, limits, and an orderly end. What is
// computed is the finder's matter (text-finder.ts), how it is written that of representations.ts.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import multipart from '@fastify/multipart';
import createFastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchemaValidationError,
} from 'fastify';
import { PanppError, quoted } from '../errors.js';
import { decodeImage } from '../images/decode.js';
import type { PixelImage } from '../images/image.js';
import { settingsOf, thresholdsOf } from '../model/outside-settings.js';
import type { SpotOptions } from '../model/options.js';
import { type ModelConfig, recognitionOf } from '../network/config.js';
import { parseLexicon } from '../recognition/lexicon.js';
import { gatekeeper } from './access.js';
import { ServiceError, answerOf, answerToBrokenRequest, soon, tooLarge } from './errors.js';
import { Metrics } from './metrics.js';
import { addOpenapi, operations } from './openapi.js';
import { representationFor } from './representations.js';
import type { DetectParameters, SpotParameters } from './schemas.js';
import { type FinderOptions, type Found, type TextEngine, TextFinder } from './text-finder.js';
import { readUpload } from './upload.js';
import type { Done } from './batch-queue.js';

/** How the service works. */
export interface ServiceOptions extends FinderOptions {
  /** Configuration of the engine's model. */
  readonly config: ModelConfig;
  /** The package's version. */
  readonly version: string;
  /** The bearer token that requests must bring; without one they are free. */
  readonly token?: string;
  /** Largest file of an image. Images with more than `maxPixels` pixels are refused too. */
  readonly maxBytes: number;
  /** Milliseconds from a request's first byte to its answer. */
  readonly timeout: number;
  /** Requests that are read, wait, or are worked on; more are refused. */
  readonly maxRequests: number;
  readonly log: {
    readonly level: string;
    readonly stream: { write(line: string): void };
  };
}

/** Bytes of a form besides its image: its other parts and their headers. */
const formBytes = 2 ** 20;

/** Milliseconds after `timeout` in which a client's request is still read to its end. */
const readingOn = 1000;

/** Milliseconds that clients get to take their answers when the service ends all requests. */
const lastWords = 1000;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Needs no token and is not worth a line in the log. */
    readonly isProbe?: boolean;
  }
  interface FastifyRequest {
    /**
     * Aborts when the answer is not wanted any more: the client went away, or has been told that it
     * takes too long. Fastify's own `signal` aborts as soon as the body is read.
     */
    wanted: AbortSignal;
    /** Once it has begun; it goes on when the answer is not wanted any more. */
    decoding?: Promise<PixelImage>;
  }
}

export class Service {
  readonly #engine: TextEngine;
  readonly #options: ServiceOptions;
  readonly #app: FastifyInstance;
  readonly #metrics: Metrics;
  readonly #finder: TextFinder;
  #open = 0;
  #isStopping = false;

  private constructor(engine: TextEngine, options: ServiceOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#metrics = new Metrics({
      queueLength: () => this.#finder.waiting,
      requests: () => this.#open,
      deviceLosses: () => engine.losses,
      isReady: () => this.#obstacle() === undefined,
      gpuBytes: () => engine.ready?.model.memory,
    });
    this.#finder = new TextFinder(engine, options, this.#metrics, () => this.#open);
    this.#app = createFastify({
      bodyLimit: options.maxBytes,
      requestTimeout: options.timeout + readingOn,
      // What comes while the service stops gets its errors, not Fastify's.
      return503OnClosing: false,
      frameworkErrors: (error, request, reply) => void this.#refuse(error, request, reply),
      clientErrorHandler: (error, socket) => {
        if (socket.writable) socket.end(answerToBrokenRequest(error.code, randomUUID()));
        else socket.destroy();
      },
      genReqId: ({ headers }) => requestId(headers['x-request-id']),
      ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
      schemaErrorFormatter: ([first]) => parameterError(first),
      // Requests are logged by `#account`, with those whose client goes away.
      logController: new createFastify.LogController({
        disableRequestLogging: true,
        requestIdLogLabel: 'request',
      }),
      logger: {
        ...options.log,
        base: null,
        timestamp: () => `,"time":"${new Date().toISOString()}"`,
        formatters: { level: (level) => ({ level }) },
      },
    });
  }

  static async create(engine: TextEngine, options: ServiceOptions): Promise<Service> {
    const service = new Service(engine, options);
    await service.#prepare();
    return service;
  }

  /** Listens for a moment. Needs no engine, and fails where `listen` would. */
  static async tryToListen(host: string, port: number): Promise<void> {
    // A client that comes too early must not hold up the end.
    const app = createFastify({ forceCloseConnections: true });
    await app.listen({ host, port });
    await app.close();
  }

  /**
   * Begins to listen.
   * @returns the address, such as `http://127.0.0.1:8321`
   */
  listen(host: string, port: number): Promise<string> {
    return this.#app.listen({ host, port });
  }

  /** Writes a warning to the log. */
  warn(message: string): void {
    this.#app.log.warn(message);
  }

  /**
   * Takes no more requests, and ends when those under way are answered.
   * @param grace milliseconds until they are ended with an error
   * @returns whether all were answered in time
   */
  async stop(grace: number): Promise<boolean> {
    this.#isStopping = true;
    this.#app.log.info({ open: this.#open }, 'stopping');
    const closed = this.#closed();
    const late = delay(grace, false, { ref: false });
    if (await Promise.race([closed, late])) return true;
    this.#finder.stop(stopping());
    await Promise.race([closed, delay(lastWords, undefined, { ref: false })]);
    this.#app.server.closeAllConnections();
    await Promise.race([closed, delay(lastWords, undefined, { ref: false })]);
    return false;
  }

  /** Listens no more, and ends when all requests are answered. */
  async #closed(): Promise<true> {
    await this.#app.close();
    // Fastify waits for one address only, and localhost may be two.
    while (this.#open > 0) await delay(10, undefined, { ref: false });
    return true;
  }

  async #prepare(): Promise<void> {
    const app = this.#app;
    const { version, config, maxBytes, token } = this.#options;
    const check = gatekeeper(token);
    app.addHook('onRequest', (request, reply, done) => {
      void reply.header('x-request-id', request.id);
      let isTaken = false;
      // Also if the connection was closed in the middle of it.
      reply.raw.once('finish', () => (isTaken = !request.socket.destroyed));
      reply.raw.once('close', () => this.#account(request, reply, isTaken));
      if (!request.routeOptions.config.isProbe) check(request.headers);
      done();
    });
    app.addHook('onSend', (request, reply, _, done) => {
      // The rest of a refused body is read only if it is short.
      const length = Number(request.headers['content-length'] ?? Infinity);
      const isLong = !request.raw.complete && !(length <= maxBytes + formBytes);
      if (this.#isStopping || isLong) void reply.header('connection', 'close');
      done();
    });
    app.setErrorHandler((error, request, reply) => this.#refuse(error, request, reply));
    app.setNotFoundHandler(({ method, url }) => {
      const [path] = url.split('?');
      const methods = (['GET', 'POST'] as const).filter((known) =>
        app.hasRoute({ method: known, url: path }),
      );
      if (methods.length === 0)
        throw new ServiceError(404, 'not-found', `there is no ${quoted(path)}; see /openapi.json`);
      throw new ServiceError(405, 'method', `${path} takes ${methods.join(', ')}, not ${method}`, {
        allow: methods.join(', '),
      });
    });
    app.decorateRequest('wanted');
    app.decorateRequest('decoding');
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      /^(image\/|application\/octet-stream)/,
      { parseAs: 'buffer' },
      (_, body, done) => done(null, body),
    );
    await app.register(multipart, {
      limits: { fileSize: maxBytes, fieldSize: formBytes, files: 2, fields: 2, parts: 3 },
    });
    await addOpenapi(app, { version, hasToken: token !== undefined });
    this.#addProbes();
    this.#addWork('/v1/detect', false, ({ query }, image, _, signal) =>
      this.#finder.detect(image, this.#settings(query as DetectParameters), signal),
    );
    this.#addWork('/v1/spot', true, ({ query }, image, lexicon, signal) => {
      const parameters = query as SpotParameters;
      const reading = readingOf(parameters, lexicon);
      return this.#finder.spot(image, { ...this.#settings(parameters), ...reading }, signal);
    });
    if (!config.recognition)
      app.log.info('the weights have no recognition head: /v1/spot answers 501');
    await app.ready();
  }

  #addProbes(): void {
    const app = this.#app;
    const probe = { isProbe: true };
    app.get('/healthz', { schema: operations.healthz, config: probe }, () => ({ status: 'ok' }));
    app.get('/readyz', { schema: operations.readyz, config: probe }, (_, reply) => {
      const reason = this.#obstacle();
      if (reason === undefined) return { status: 'ready' };
      // Nobody else might ask for a fresh device: a balancer sends no requests here meanwhile.
      if (!this.#isStopping) this.#engine.recover();
      return reply.code(503).headers(soon).send({ status: 'not ready', reason });
    });
    app.get('/metrics', { schema: operations.metrics }, async (_, reply) =>
      reply.type(this.#metrics.contentType).send(await this.#metrics.text()),
    );
    app.get('/openapi.json', { schema: operations.openapi }, () => app.swagger());
  }

  /** Why no request would be served now. */
  #obstacle(): string | undefined {
    if (this.#isStopping) return 'the service is stopping';
    if (!this.#engine.ready) return 'no model is on the GPU: its device was lost';
    return this.#open >= this.#options.maxRequests ? 'the queue is full' : undefined;
  }

  /** Adds a route that finds text. */
  #addWork(
    url: '/v1/detect' | '/v1/spot',
    reads: boolean,
    find: (
      request: FastifyRequest,
      image: PixelImage,
      lexicon: Uint8Array | undefined,
      signal: AbortSignal,
    ) => Promise<Done<Found>>,
  ): void {
    const { maxPixels, version } = this.#options;
    this.#app.post(
      url,
      {
        schema: operations[url],
        onRequest: (request, reply, done) => {
          this.#enter(request, reply, reads);
          done();
        },
      },
      async (request, reply) => {
        const { wanted: signal, headers } = request;
        try {
          const { mediaType, format } = representationFor(headers.accept, reads);
          const { bytes, name, lexicon } = await readUpload(request, reads);
          signal.throwIfAborted();
          const path = (request.query as DetectParameters).file ?? name ?? 'image';
          const start = performance.now();
          const image = await (request.decoding = decodeImage(bytes, path, { maxPixels }));
          this.#metrics.timed({ decode: performance.now() - start });
          const { result } = await find(request, image, lexicon, signal);
          const { width, height } = result;
          const text = format({ path, width, height }, result, version);
          return await reply.type(mediaType).header('vary', 'accept').send(text);
        } catch (error) {
          // The client has an answer (`#enter`), or went away.
          if (signal.aborted) return;
          throw error;
        }
      },
    );
  }

  /** Takes a place for a request until its answer has ended, and its image is decoded. */
  #enter(request: FastifyRequest, reply: FastifyReply, reads: boolean): void {
    const { config, maxRequests, maxBytes, timeout } = this.#options;
    if (reads) recognitionOf(config, 'this service');
    if (Number(request.headers['content-length']) > maxBytes + formBytes) throw tooLarge(maxBytes);
    if (this.#isStopping) throw stopping();
    if (this.#open >= maxRequests)
      throw new ServiceError(
        503,
        'busy',
        `${maxRequests} requests are under way, and no more are accepted; try again later`,
        soon,
      );
    this.#open++;
    const controller = new AbortController();
    request.wanted = controller.signal;
    const timer = setTimeout(() => {
      const late = new ServiceError(
        504,
        'timeout',
        `there was no answer within ${timeout / 1000} s; try again later, or with a smaller image or shortSide`,
      );
      controller.abort(late);
      if (!reply.sent) void reply.send(late);
      // The answer is there, and the client does not take it.
      else reply.raw.destroy();
    }, timeout);
    reply.raw.once('close', () => {
      clearTimeout(timer);
      controller.abort();
      // Decoding can't be stopped, and clients that leave early must not make it pile up.
      void Promise.allSettled([request.decoding]).then(() => this.#open--);
    });
  }

  #refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { status, code, message, headers } = answerOf(error, this.#options.maxBytes);
    if (status === 500) request.log.error({ err: error }, 'a request failed');
    const all = { 'x-request-id': request.id, ...headers };
    return reply.code(status).headers(all).send({ error: { code, message } });
  }

  #settings(parameters: DetectParameters) {
    const { tileSide } = parameters;
    return { ...settingsOf(parameters, this.#options.config.detection), tileSide };
  }

  /** @param isTaken whether the client has taken its answer */
  #account(
    { method, routeOptions, log }: FastifyRequest,
    reply: FastifyReply,
    isTaken: boolean,
  ): void {
    // The status that nginx gives to a client that went away.
    const status = isTaken ? reply.statusCode : 499;
    const route = routeOptions.url ?? 'other';
    const milliseconds = Number(reply.elapsedTime.toFixed(1));
    this.#metrics.answered(route, status, milliseconds);
    const level = routeOptions.config.isProbe ? 'debug' : 'info';
    log[level]({ method, route, status, milliseconds }, 'request');
  }
}

function stopping(): ServiceError {
  return new ServiceError(503, 'stopping', 'the service is stopping; try again later', soon);
}

/** A caller's own id, if it is fit for a log; else a new one. */
function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given) ? given : randomUUID();
}

function parameterError({
  keyword,
  instancePath,
  message,
  params,
}: FastifySchemaValidationError): PanppError {
  if (keyword === 'additionalProperties')
    return new PanppError(
      'argument',
      `there is no parameter ${quoted(String(params.additionalProperty))}; /openapi.json lists those that there are`,
    );
  const allowed = keyword === 'enum' ? `: ${String(params.allowedValues)}` : '';
  return new PanppError('argument', `${instancePath.slice(1)} ${message}${allowed}`);
}

/**
 * How text is read and corrected.
 * @throws PanppError `argument` for a threshold that would have no effect, or a bad lexicon
 */
function readingOf(parameters: SpotParameters, words: Uint8Array | undefined): SpotOptions {
  const { beam, characters, rectify, correct = false } = parameters;
  const lexicon = words && lexiconOf(words);
  const correction = thresholdsOf(parameters, correct || lexicon !== undefined);
  return { beam, characters, rectify, lexicon, correction };
}

function lexiconOf(bytes: Uint8Array) {
  try {
    return parseLexicon(bytes, 'the lexicon');
  } catch (error) {
    if (!(error instanceof PanppError)) throw error;
    throw new PanppError('argument', error.message, { cause: error });
  }
}
