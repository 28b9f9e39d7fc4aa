import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { onInterrupt } from '../../src/cli/interrupt.js';

describe('a signal', () => {
  const exit = vi.spyOn(process, 'exit');
  let stop: () => void;
  beforeEach(() => exit.mockReset().mockImplementation((() => {}) as never));
  afterEach(() => stop());

  it('ends the work once, even if npm sends the signal again', async () => {
    const end = vi.fn(async () => {});
    stop = onInterrupt(end);
    for (let sent = 0; sent < 2; sent++) process.emit('SIGINT');
    await vi.waitFor(() => expect(exit).toHaveBeenCalled());
    expect(end).toHaveBeenCalledTimes(1);
    expect(exit.mock.calls).toEqual([[1]]);
  });

  it('ends the process with the code that the end has', async () => {
    stop = onInterrupt(async () => 0);
    process.emit('SIGTERM');
    await vi.waitFor(() => expect(exit.mock.calls).toEqual([[0]]));
  });

  it('that comes again later ends work that does not end', async () => {
    stop = onInterrupt(() => new Promise(() => {}));
    process.emit('SIGTERM');
    await delay(350);
    expect(exit).not.toHaveBeenCalled();
    process.emit('SIGTERM');
    expect(exit.mock.calls).toEqual([[1]]);
  });
});
