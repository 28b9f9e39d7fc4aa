// The demo page: pictures in, text regions and their words out, all of it in this browser. No build
// step; the library is the one file in dist/.
import { imageFrom, loadModel, loadWeights, requestGpu } from '../../dist/browser.js';
import { paintMap } from './maps.js';
import { drawWords, fontSizeOf, showWords } from './words.js';

const weightsUrl = new URL('../../weights/pan-pp-resnet18.safetensors', import.meta.url);
const sampleUrl = new URL('../street.jpg', import.meta.url);

const element = Object.fromEntries(
  [...document.querySelectorAll('[id]')].map((node) => [node.id, node]),
);

/**
 * The picture on the stage: its pixels, its name, what was found with which settings, and the
 * network's map if a layer asked for it.
 */
let shown;
/** Whoever needs the model waits for this; renewed after a lost device or with other weights. */
let engine;
let ownWeights;
/** Set from the click on, so before a person has allowed it; its stream comes later. */
let camera;
let busy = false;
let again = false;

// The model

async function startEngine(weights) {
  const gpu = await requestGpu();
  try {
    element.adapter.textContent = gpu.profile.adapter + (gpu.profile.software ? ' (software)' : '');
    element.adapter.hidden = false;
    const bytes = await loadWeights(weights ?? weightsUrl, { onProgress: showProgress });
    element.progress.hidden = true;
    const model = await loadModel(gpu, bytes, {
      source: weights ? 'the dropped file' : weightsUrl.pathname,
    });
    showSettings(model.config.detection, gpu.profile.software);
    element.words.parentElement.hidden = !canRead(model);
    element.note.hidden = weights !== undefined;
    return { gpu, model };
  } catch (error) {
    gpu.dispose();
    throw error;
  }
}

function getEngine() {
  engine ??= startEngine(ownWeights).catch((error) => {
    engine = undefined;
    throw error;
  });
  return engine;
}

function dropEngine() {
  const dispose = ({ model, gpu }) => {
    model.dispose();
    gpu.dispose();
  };
  engine?.then(dispose, () => {});
  engine = undefined;
}

/** If these weights can't be loaded, the model in use stays. */
async function useWeights(weights) {
  // Whatever is still loading would show its settings later than these weights.
  await engine?.catch(() => {});
  const next = await startEngine(weights);
  dropEngine();
  ownWeights = weights;
  engine = Promise.resolve(next);
}

function showProgress({ loaded, total }) {
  element.progress.hidden = false;
  if (total) element.progress.value = loaded / total;
  else element.progress.removeAttribute('value');
  say(
    `Loading weights: ${(loaded / 1e6).toFixed(1)}${total ? ` of ${(total / 1e6).toFixed(1)}` : ''} MB`,
  );
}

/**
 * The weights' own settings; a software adapter gets smaller pictures, or it would take half a
 * minute for one.
 */
function showSettings({ shortSide, bbox, minScore }, software) {
  const size = String(software ? 256 : shortSide);
  if (![...element.shortSide.options].some(({ value }) => value === size))
    element.shortSide.add(new Option(size));
  element.shortSide.value = size;
  element.bbox.value = bbox;
  element.minScore.value = minScore;
  showMinScore();
}

// The work

const settings = (image) => ({
  shortSide: Number(element.shortSide.value),
  bbox: element.bbox.value,
  tolerance:
    element.bbox.value === 'poly'
      ? Math.max(2, Math.min(image.width, image.height) / 250)
      : undefined,
  minScore: Number(element.minScore.value),
});

/** Weights that a person drops may have no recognition head. */
const canRead = (model) => model.config.recognition !== undefined;

/** Finds the text of an image, and reads it if the model can: the result and its settings. */
async function findText(model, image) {
  const used = settings(image);
  const result = await (canRead(model) ? model.spot(image, used) : model.detect(image, used));
  return { result, settings: used };
}

/** Shows a picture and finds its text. */
async function look(source, name) {
  await attempt(async () => {
    const image = await imageFrom(source);
    stopCamera();
    shown = { image, name };
    drawImage(image);
    clearResult();
    await find();
  });
}

/**
 * Finds the text of the picture shown. One at a time; whatever is asked for meanwhile is done once,
 * afterwards.
 */
async function find() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  element.stage.setAttribute('aria-busy', 'true');
  try {
    do {
      again = false;
      try {
        await findOnce();
      } catch (error) {
        // What failed is out of date: another picture, other settings or other weights came.
        if (!again) throw error;
      }
    } while (again);
  } finally {
    busy = false;
    element.stage.setAttribute('aria-busy', 'false');
  }
}

async function findOnce() {
  const { model } = await getEngine();
  if (!camera) say('Looking …');
  const target = shown;
  const found = await findText(model, target.image);
  if (target !== shown) return;
  Object.assign(target, found);
  showResult(target);
  await showLayer(model);
}

async function showLayer(model) {
  const chosen = () => document.querySelector('[name=layer]:checked').value;
  if (chosen() === 'none') element.map.hidden = true;
  const target = shown;
  if (chosen() === 'none' || !target) return;
  const { shortSide } = settings(target.image);
  if (target.map?.shortSide !== shortSide || target.map.model !== model) {
    const det = (await model.forward(target.image, { outputs: ['det'], shortSide })).get('det');
    target.map = { det, shortSide, model };
  }
  // Meanwhile another picture or layer may have been chosen.
  if (target !== shown || chosen() === 'none') return;
  paintMap(element.map, target.map.det, chosen());
  element.map.hidden = false;
}

/** Runs what a person asked for; what goes wrong is told in one line. */
async function attempt(work) {
  element.error.hidden = true;
  try {
    await work();
  } catch (error) {
    // Other weights came; the picture is looked at with these.
    if (error.code === 'disposed') return;
    if (error.code === 'device-lost') dropEngine();
    element.error.textContent =
      error.name === 'PanppError' ? error.message : `${error.name}: ${error.message}`;
    element.error.hidden = false;
    element.progress.hidden = true;
    say('');
  }
}

// What is shown

function say(text) {
  element.status.textContent = text;
}

function drawImage({ width, height, data }) {
  element.empty.hidden = true;
  element.picture.hidden = false;
  Object.assign(element.image, { width, height });
  element.image.getContext('2d').putImageData(new ImageData(data, width, height), 0, 0);
}

function clearResult() {
  for (const node of [element.shapes, element.labels, element.list]) node.replaceChildren();
  element.map.hidden = true;
  element.count.textContent = '';
  element.image.ariaLabel = 'The picture';
  element.copy.disabled = element.json.disabled = element.png.disabled = true;
}

/** As the overlays of the command line: hues a golden angle apart. */
const colourOf = (index) => `hsl(${((145 + index * 137.508) % 360).toFixed(1)} 78% 61%)`;

function showResult({ result }) {
  const { regions, width, height, timings } = result;
  element.regions.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const outlines = regions.map(({ polygon }, index) => polygonOf(polygon, colourOf(index)));
  element.shapes.replaceChildren(...outlines.flatMap((outline) => [rimOf(outline), outline]));
  showLabels();
  // The camera renews the list all the time; the keyboard's place in it must stay.
  const focused = [...element.list.children].findIndex((item) =>
    item.contains(document.activeElement),
  );
  element.list.replaceChildren(
    ...regions.map((region, index) => listItem(region, index, outlines[index])),
  );
  element.list.children[focused]?.firstChild.focus({ preventScroll: true });
  element.count.textContent = regions.length;
  const found = count(regions.length, 'region');
  const words = wordsOf(regions);
  element.image.ariaLabel = `The picture, with ${found}${words.length ? `: ${words.join(' ')}` : ''}`;
  element.copy.disabled = words.length === 0;
  element.json.disabled = element.png.disabled = false;
  showTimes(timings);
  const read = words.length ? `, ${count(words.length, 'word')}` : '';
  const summary = regions.length ? found + read : 'No text found';
  say(`${summary} in ${milliseconds(timings.total)}, ${width} × ${height} pixels`);
}

/**
 * The words over the picture. A large picture is shown smaller than it is, above all on a phone;
 * its words must stay large enough to be read.
 */
function showLabels() {
  const { image, result } = shown ?? {};
  const shownWidth = element.image.clientWidth;
  if (!result || !shownWidth) return;
  const smallest = (12 * image.width) / shownWidth;
  showWords(element.labels, result.regions, image, Math.max(smallest, fontSizeOf(image)));
}

/** A region's text is empty if no character was found in it, and undefined if nobody read it. */
const wordsOf = (regions) => regions.map(({ text }) => text).filter(Boolean);

const count = (number, noun) => `${number} ${noun}${number === 1 ? '' : 's'}`;

function polygonOf(points, colour) {
  const polygon = document.createElementNS('http://www.w3.org/2000/svg', 'polygon');
  // Pixel (x, y) of the polygons has its centre there; in SVG it reaches from (x, y) to (x + 1, y +
  // 1).
  polygon.setAttribute('points', points.map(([x, y]) => `${x + 0.5},${y + 0.5}`).join(' '));
  polygon.style.setProperty('--colour', colour);
  return polygon;
}

function rimOf(polygon) {
  const rim = polygon.cloneNode();
  rim.classList.add('rim');
  return rim;
}

function listItem(region, index, outline) {
  const { text, score, textScore, box } = region;
  const place = `${box.right - box.left} × ${box.bottom - box.top} at ${box.left}, ${box.top}`;
  const certainty = (text ? textScore : score).toFixed(3);
  const button = document.createElement('button');
  button.type = 'button';
  button.style.setProperty('--colour', colourOf(index));
  button.title = text ? place : '';
  button.ariaLabel = `${text || `region, ${place}`}, score ${certainty}`;
  // Its own direction: a word from right to left leaves its score where it is.
  button.append(nodeOf('bdi', text ? 'word' : 'quiet', text || place));
  button.append(nodeOf('span', 'score', certainty));
  const mark = (on) => () => outline.classList.toggle('marked', on);
  for (const type of ['pointerenter', 'focus']) button.addEventListener(type, mark(true));
  for (const type of ['pointerleave', 'blur']) button.addEventListener(type, mark(false));
  const item = document.createElement('li');
  item.append(button);
  return item;
}

const nodeOf = (tag, className, textContent) =>
  Object.assign(document.createElement(tag), { className, textContent });

const stageNames = {
  upload: 'choose pixels',
  setup: 'compile, once a size',
  preprocess: 'resize',
  network: 'network',
  aggregation: 'aggregation',
  regions: 'shapes',
  features: 'features',
  recognition: 'reading, GPU',
  rectification: 'rectify',
  pages: 'network, rectified words',
  reading: 'reading, overall',
  total: 'total',
};

function showTimes(timings) {
  const rows = Object.entries(stageNames).filter(([stage]) => timings[stage] !== undefined);
  element.times.replaceChildren(
    ...rows.flatMap(([stage, name]) => {
      const [term, bar, value] = ['dt', 'dd', 'dd'].map((tag) => document.createElement(tag));
      term.textContent = name;
      value.textContent = milliseconds(timings[stage]);
      if (stage === 'total') term.className = value.className = 'total';
      else if (timings[stage] > 0) {
        const fill = document.createElement('div');
        fill.className = 'bar';
        fill.style.width = `${(100 * timings[stage]) / timings.total}%`;
        bar.append(fill);
      }
      bar.ariaHidden = 'true';
      return [term, bar, value];
    }),
  );
}

const milliseconds = (value) =>
  value < 1000 ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : `${(value / 1000).toFixed(2)} s`;

function showMinScore() {
  element.minScoreValue.textContent = Number(element.minScore.value).toFixed(2);
}

// Where pictures come from

async function open(file) {
  if (!file.name?.endsWith('.safetensors')) return look(file, file.name ?? 'pasted');
  stopCamera();
  await attempt(async () => {
    await useWeights(await file.arrayBuffer());
    if (shown) await find();
    else say(`Weights: ${file.name}`);
  });
}

async function openSample() {
  await attempt(async () => {
    const response = await fetch(sampleUrl);
    if (!response.ok) throw new Error(`the sample can't be loaded (HTTP ${response.status})`);
    await look(await response.blob(), 'street.jpg');
  });
}

async function pasteFromClipboard() {
  await attempt(async () => {
    for (const item of await clipboard().read()) {
      const type = item.types.find((name) => name.startsWith('image/'));
      if (type) return open(await item.getType(type));
    }
    throw new Error('the clipboard holds no picture');
  });
}

async function toggleCamera() {
  if (camera) return stopCamera();
  await attempt(async () => {
    if (!navigator.mediaDevices)
      throw new Error('a browser gives the camera to pages on https and localhost only');
    const mine = (camera = {});
    element.camera.setAttribute('aria-pressed', 'true');
    // A screen reader would speak after every frame and never end.
    element.status.ariaLive = 'off';
    try {
      mine.stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: 'environment', width: { ideal: 1280 } },
      });
      await lookThrough(mine);
    } finally {
      // Switched off before there was a stream, nobody else stops it.
      stopTracks(mine);
      if (camera === mine) stopCamera();
    }
  });
}

/** Looks at one frame after another until the camera is switched off, unplugged or replaced. */
async function lookThrough(mine) {
  if (camera !== mine) return;
  const [track] = mine.stream.getVideoTracks();
  track.addEventListener('ended', () => camera === mine && stopCamera());
  const video = Object.assign(document.createElement('video'), {
    srcObject: mine.stream,
    muted: true,
    playsInline: true,
  });
  await video.play();
  while (camera === mine) {
    await nextFrame(video, mine);
    // Not while the page is hidden.
    await new Promise(requestAnimationFrame);
  }
}

/** The frame that is shown is the one that was looked at, so outlines never lag behind it. */
async function nextFrame(video, mine) {
  const { model } = await getEngine();
  const image = await imageFrom(video);
  const found = await findText(model, image);
  if (camera !== mine) return;
  shown = { image, name: 'camera', ...found };
  drawImage(image);
  showResult(shown);
  await showLayer(model);
}

function stopCamera() {
  if (camera) stopTracks(camera);
  camera = undefined;
  element.camera.setAttribute('aria-pressed', 'false');
  element.status.ariaLive = 'polite';
}

const stopTracks = ({ stream }) => stream?.getTracks().forEach((track) => track.stop());

// What goes out

function save(blob, name) {
  const link = Object.assign(document.createElement('a'), {
    href: URL.createObjectURL(blob),
    download: name,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function clipboard() {
  if (!navigator.clipboard)
    throw new Error('a browser gives the clipboard to pages on https and localhost only');
  return navigator.clipboard;
}

async function copyText() {
  const words = wordsOf(shown.result.regions);
  await clipboard().writeText(words.join('\n'));
  say(`${count(words.length, 'word')} copied`);
}

const stemOf = (name) => name.replace(/\.[^.]*$/, '');

async function saveJson() {
  // The picture of the click: another may come while the engine starts.
  const { name, settings, result } = shown;
  const { width, height, regions, timings } = result;
  const { gpu } = await getEngine();
  const record = {
    image: name,
    width,
    height,
    adapter: gpu.profile.adapter,
    settings,
    timings,
    regions,
  };
  save(
    new Blob([JSON.stringify(record, undefined, 2)], { type: 'application/json' }),
    `${stemOf(name)}.json`,
  );
}

async function saveOverlay() {
  const { name, result } = shown;
  const { width, height } = shown.image;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  context.drawImage(element.image, 0, 0);
  if (!element.map.hidden) {
    context.globalAlpha = Number(element.opacity.value);
    context.drawImage(element.map, 0, 0, width, height);
    context.globalAlpha = 1;
  }
  if (element.outlines.checked)
    result.regions.forEach(({ polygon }, index) =>
      strokePolygon(context, polygon, colourOf(index)),
    );
  if (element.words.checked) drawWords(context, result.regions);
  save(await canvas.convertToBlob({ type: 'image/png' }), `${stemOf(name)}.overlay.png`);
}

function strokePolygon(context, points, colour) {
  const path = new Path2D();
  points.forEach(([x, y]) => path.lineTo(x + 0.5, y + 0.5));
  path.closePath();
  const lineWidth = Math.max(2, Math.min(context.canvas.width, context.canvas.height) / 320);
  context.lineJoin = 'round';
  Object.assign(context, { lineWidth: 2 * lineWidth, strokeStyle: '#000a' });
  context.stroke(path);
  Object.assign(context, { lineWidth, strokeStyle: colour });
  context.stroke(path);
}

// Events

element.open.addEventListener('click', () => element.file.click());
element.file.addEventListener('change', async () => {
  const [file] = element.file.files;
  element.file.value = '';
  if (file) await open(file);
});
element.sample.addEventListener('click', openSample);
element.paste.addEventListener('click', pasteFromClipboard);
element.camera.addEventListener('click', toggleCamera);
element.copy.addEventListener('click', () => attempt(copyText));
element.json.addEventListener('click', () => attempt(saveJson));
element.png.addEventListener('click', () => attempt(saveOverlay));

document.addEventListener('paste', ({ clipboardData }) => {
  const file = [...clipboardData.files].find(({ type }) => type.startsWith('image/'));
  if (file) void open(file);
});
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  element.stage.classList.add('over');
});
document.addEventListener('dragleave', () => element.stage.classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  element.stage.classList.remove('over');
  const [file] = event.dataTransfer.files;
  if (file) void open(file);
});

element.minScore.addEventListener('input', showMinScore);
// While the camera runs, its next frame counts; if it is switched off before, the frame shown.
for (const id of ['shortSide', 'bbox', 'minScore']) {
  element[id].addEventListener('change', () => shown && void attempt(find));
}
element.layers.addEventListener(
  'change',
  () => shown && void attempt(async () => showLayer((await getEngine()).model)),
);
for (const [box, layer] of [
  ['outlines', 'shapes'],
  ['words', 'labels'],
]) {
  element[box].addEventListener('change', () =>
    element[layer].toggleAttribute('hidden', !element[box].checked),
  );
}
new ResizeObserver(showLabels).observe(element.image);
element.opacity.addEventListener(
  'input',
  () => (element.map.style.opacity = element.opacity.value),
);
element.map.style.opacity = element.opacity.value;

void attempt(async () => {
  await getEngine();
  if (!shown) say('Ready');
});
