/** A conv with its batch norm folded in. */
export interface ConvWeights {
  /** Output channels × input channels × kernel × kernel, as PyTorch stores it. */
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly outChannels: number;
  readonly inChannels: number;
  readonly kernel: number;
  /**
   * Number of values from one output channel's weights to the next. Set if these are the first
   * input channels of a larger conv. Default: inChannels · kernel².
   */
  readonly outStride?: number;
}
