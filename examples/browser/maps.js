// The head's map as the paper's figures show it: how sure the network is of text and of kernels,
// instance vectors as colours.

/**
 * Paints a layer of a `det` map, at the map's own size.
 * @param layer `text`, `kernel` or `vector`
 */
export function paintMap(canvas, { shape: [, height, width], data }, layer) {
  const count = width * height;
  const plane = (index) => data.subarray(index * count, (index + 1) * count);
  const pixels = new Uint8ClampedArray(4 * count);
  if (layer === 'vector') paintVectors(pixels, plane(0), [2, 3, 4, 5].map(plane));
  else if (layer === 'text') paintProbability(pixels, plane(0));
  // As aggregation takes them: a kernel is where text is too. Elsewhere the network was never told
  // what to say.
  else
    paintProbability(
      pixels,
      plane(1).map((logit, index) => Math.min(logit, data[index])),
    );
  Object.assign(canvas, { width, height });
  canvas.getContext('2d').putImageData(new ImageData(pixels, width, height), 0, 0);
}

const probability = (logit) => 1 / (1 + Math.exp(-logit));

/** Dark violet over red to light yellow. */
const ramp = [
  [13, 8, 54],
  [120, 28, 109],
  [237, 105, 37],
  [252, 255, 164],
];

function paintProbability(pixels, logits) {
  logits.forEach((logit, index) => {
    const at = probability(logit) * (ramp.length - 1);
    const low = Math.min(Math.floor(at), ramp.length - 2);
    for (let channel = 0; channel < 3; channel++) {
      pixels[4 * index + channel] =
        ramp[low][channel] + (at - low) * (ramp[low + 1][channel] - ramp[low][channel]);
    }
    pixels[4 * index + 3] = 255;
  });
}

/**
 * The vectors of text pixels by their three principal components as red, green and blue: one
 * colour, one instance.
 */
function paintVectors(pixels, textLogits, planes) {
  const text = [...textLogits.keys()].filter((index) => textLogits[index] > 0);
  const means = planes.map(
    (plane) => text.reduce((sum, index) => sum + plane[index], 0) / text.length,
  );
  const vectorAt = (index) => planes.map((plane, channel) => plane[index] - means[channel]);
  const axes = principalAxes(covariance(text.map(vectorAt)), 3);
  textLogits.forEach((_, index) => pixels.set([18, 18, 24, 255], 4 * index));
  for (const index of text) {
    const vector = vectorAt(index);
    axes.forEach(({ axis, deviation }, channel) => {
      pixels[4 * index + channel] = 140 + (70 * dot(axis, vector)) / (deviation || 1);
    });
  }
}

const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);

function covariance(vectors) {
  const entry = (row, column) =>
    vectors.reduce((sum, vector) => sum + vector[row] * vector[column], 0) /
    Math.max(1, vectors.length);
  return [0, 1, 2, 3].map((row) => [0, 1, 2, 3].map((column) => entry(row, column)));
}

/** The axes of largest variance of a symmetric matrix, by power iteration and deflation. */
function principalAxes(matrix, wanted) {
  let rest = matrix;
  return Array.from({ length: wanted }, (_, start) => {
    let axis = rest.map((_, index) => (index === start ? 1 : 0.1));
    for (let step = 0; step < 100; step++) {
      const next = rest.map((row) => dot(row, axis));
      const length = Math.hypot(...next);
      if (length < 1e-12) break;
      axis = next.map((value) => value / length);
    }
    const variance = dot(
      axis,
      rest.map((row) => dot(row, axis)),
    );
    rest = rest.map((row, i) => row.map((value, j) => value - variance * axis[i] * axis[j]));
    return { axis, deviation: Math.sqrt(Math.max(0, variance)) };
  });
}
