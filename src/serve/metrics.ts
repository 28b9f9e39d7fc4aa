// What the service measures, for Prometheus.
import prometheus from 'prom-client';
import type { DetectionTimings } from '../model/options.js';

/** Seconds; from a stage on a large GPU to a large image on a CPU. */
const seconds = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
];

/** What is asked for when the metrics are read. */
export interface Gauges {
  readonly queueLength: () => number;
  readonly requests: () => number;
  readonly deviceLosses: () => number;
  readonly isReady: () => boolean;
  /** Bytes by kind; undefined if no model is loaded. */
  readonly gpuBytes: () => Readonly<Record<string, number>> | undefined;
}

export class Metrics {
  readonly #registry = new prometheus.Registry();
  readonly #requests = new prometheus.Counter({
    name: 'panpp_requests_total',
    help: 'Requests by route and status; status 499: the client went away.',
    labelNames: ['route', 'status'],
    registers: [this.#registry],
  });
  readonly #latency = new prometheus.Histogram({
    name: 'panpp_request_seconds',
    help: 'Time from a request to the end of its answer.',
    labelNames: ['route'],
    buckets: seconds,
    registers: [this.#registry],
  });
  readonly #stages = new prometheus.Histogram({
    name: 'panpp_stage_seconds',
    help: 'Time by stage: body, decode and queue of each image; the others of each run, which may be of a batch.',
    labelNames: ['stage'],
    buckets: seconds,
    registers: [this.#registry],
  });
  readonly #batches = new prometheus.Histogram({
    name: 'panpp_batch_images',
    help: 'Images that were processed together, by run.',
    buckets: [1, 2, 4, 8, 16, 32, 64],
    registers: [this.#registry],
  });

  constructor({ queueLength, requests, deviceLosses, isReady, gpuBytes }: Gauges) {
    const registers = [this.#registry];
    const gauge = (name: string, help: string, value: () => number) =>
      new prometheus.Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    gauge('panpp_queue_length', 'Images that wait for the GPU.', queueLength);
    gauge('panpp_requests_open', 'Requests for detect and spot that have no answer yet.', requests);
    gauge('panpp_ready', '1 if /readyz says so, else 0.', () => Number(isReady()));
    new prometheus.Gauge({
      name: 'panpp_gpu_bytes',
      help: 'GPU memory of the weights and of the cached programs.',
      labelNames: ['kind'],
      registers,
      collect() {
        this.reset();
        for (const [kind, bytes] of Object.entries(gpuBytes() ?? {})) this.set({ kind }, bytes);
      },
    });
    new prometheus.Counter({
      name: 'panpp_device_losses_total',
      help: 'GPU devices that were lost.',
      registers,
      collect() {
        this.reset();
        this.inc(deviceLosses());
      },
    });
    prometheus.collectDefaultMetrics({ register: this.#registry });
  }

  /** Counts an answered request. */
  answered(route: string, status: number, milliseconds: number): void {
    this.#requests.inc({ route, status });
    this.#latency.observe({ route }, milliseconds / 1000);
  }

  /** Records the times of stages in milliseconds. */
  timed(timings: Readonly<Record<string, number>> | DetectionTimings): void {
    for (const [stage, milliseconds] of Object.entries(timings as Record<string, number>))
      this.#stages.observe({ stage }, milliseconds / 1000);
  }

  /** Records a run of several images. */
  ran(images: number): void {
    this.#batches.observe(images);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
