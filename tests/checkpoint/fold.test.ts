import { describe, expect, it } from 'vitest';
import { PanppError } from '../../src/errors.js';
import { foldBatchNorm } from '../../src/checkpoint/fold.js';
import type { NamedTensor } from '../../src/checkpoint/tensor.js';

function tensor(shape: number[], ...values: number[]): NamedTensor {
  return { shape, data: Float32Array.from(values) };
}

const norm = {
  weight: tensor([2], 2, -1),
  bias: tensor([2], 0.5, 1),
  running_mean: tensor([2], 3, -4),
  running_var: tensor([2], 4, 0.25),
};

describe('foldBatchNorm', () => {
  it('folds two channels by hand (eps 0)', () => {
    // Scales: 2 / √4 = 1 and −1 / √0.25 = −2.
    const folded = foldBatchNorm(tensor([2, 1, 1, 2], 1, 2, 3, 4), norm, undefined, 0);
    expect([...folded.weight]).toEqual([1, 2, -6, -8]);
    expect([...folded.bias]).toEqual([-2.5, -7]); // (0 − 3)·1 + 0.5, (0 + 4)·−2 + 1
  });

  it("takes the convolution's bias in", () => {
    const folded = foldBatchNorm(tensor([2, 1], 1, 1), norm, tensor([2], 10, 20), 0);
    expect([...folded.bias]).toEqual([7.5, -47]);
  });

  it('uses eps 1e-5 by default and rounds once, from float64', () => {
    const [w, gamma, beta, mean, variance] = [0.1, 0.3, 0.7, 0.9, 1e-6].map(Math.fround);
    const scale = gamma / Math.sqrt(variance + 1e-5);
    const single = {
      weight: tensor([1], gamma),
      bias: tensor([1], beta),
      running_mean: tensor([1], mean),
      running_var: tensor([1], variance),
    };
    const folded = foldBatchNorm(tensor([1, 1], w), single);
    expect(folded.weight[0]).toBe(Math.fround(w * scale));
    expect(folded.bias[0]).toBe(Math.fround(-mean * scale + beta));
  });

  it('equals convolution followed by batch norm', () => {
    const x = [0.25, -1.5];
    const weight = [0.5, -2, 3, 0.125];
    const { weight: w, bias: b } = foldBatchNorm(tensor([2, 2], ...weight), norm);
    for (const channel of [0, 1]) {
      const plain = weight[channel * 2] * x[0] + weight[channel * 2 + 1] * x[1];
      const [gamma, beta, mean, variance] = [
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
      ].map(({ data }) => Number(data[channel]));
      const expected = ((plain - mean) / Math.sqrt(variance + 1e-5)) * gamma + beta;
      expect(w[channel * 2] * x[0] + w[channel * 2 + 1] * x[1] + b[channel]).toBeCloseTo(
        expected,
        5,
      );
    }
  });

  it('rejects sizes that do not fit, integers and negative variances', () => {
    const weight = tensor([2, 1], 1, 1);
    const bad: [() => unknown, RegExp][] = [
      [
        () => foldBatchNorm(tensor([3, 1], 1, 1, 1), norm),
        /batch norm\.weight has 2 values, expected 3/,
      ],
      [
        () => foldBatchNorm(tensor([2, 2], 1, 1), norm),
        /convolution weight has 2 values, expected 4/,
      ],
      [() => foldBatchNorm(weight, norm, tensor([1], 1)), /convolution bias has 1 values/],
      [
        () => foldBatchNorm(weight, { ...norm, running_var: tensor([2], 1, -1) }),
        /^batch norm\.running_var\[1\] is -1, and a variance can't be negative/,
      ],
      [
        () => foldBatchNorm(weight, { ...norm, running_var: tensor([2], NaN, 1) }),
        /running_var\[0\] is NaN/,
      ],
      [
        () =>
          foldBatchNorm(weight, { ...norm, bias: { shape: [2], data: BigInt64Array.of(1n, 2n) } }),
        /batch norm\.bias holds integers/,
      ],
    ];
    for (const [attempt, message] of bad) {
      expect(attempt).toThrow(PanppError);
      expect(attempt).toThrow(message);
    }
  });
});
