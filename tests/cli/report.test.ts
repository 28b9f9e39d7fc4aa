import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Progress } from '../../src/cli/report.js';

const lines: string[] = [];

beforeEach(() => {
  lines.length = 0;
  vi.useFakeTimers();
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
  process.stderr.isTTY = false;
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it('progress that goes to no terminal is a line a minute', () => {
  const progress = new Progress(500, 'images');
  vi.advanceTimersByTime(59_000);
  expect(lines).toEqual([]);
  vi.advanceTimersByTime(1000);
  for (let image = 0; image < 100; image++) progress.step();
  vi.advanceTimersByTime(60_000);
  progress.stop();
  vi.advanceTimersByTime(600_000);
  expect(lines).toEqual([
    'panpp: 0 of 500 images after 1 min\n',
    'panpp: 100 of 500 images after 2 min, about 8 min left\n',
  ]);
});

it('is absent for a single image', () => {
  new Progress(1, 'images');
  vi.advanceTimersByTime(600_000);
  expect(lines).toEqual([]);
});
