// The page: hands a picture to the worker, and outlines the text that it finds. A canvas needs no
// `img-src`, which an <img> with a blob: address would.
const worker = new Worker('worker.js', { type: 'module' });
const status = document.querySelector('[role=status]');
const canvas = document.querySelector('canvas');
let picture;

document.querySelector('#file').addEventListener('change', async ({ target: { files } }) => {
  [picture] = files;
  if (!picture) return;
  status.textContent = 'Looking …';
  worker.postMessage({ picture, shortSide: Number(document.querySelector('#side').value) });
});

worker.addEventListener('message', async ({ data: { found, polygons, error } }) => {
  // Another picture was chosen meanwhile.
  if (found !== picture.name) return;
  status.textContent = error ?? `${polygons.length} text regions`;
  if (error === undefined) draw(await createImageBitmap(picture), polygons);
});

worker.addEventListener('error', () => (status.textContent = 'The worker could not be started.'));

function draw(bitmap, polygons) {
  ({ width: canvas.width, height: canvas.height } = bitmap);
  const context = canvas.getContext('2d');
  context.drawImage(bitmap, 0, 0);
  context.lineWidth = 3;
  context.strokeStyle = 'red';
  for (const polygon of polygons) {
    context.beginPath();
    for (const [x, y] of polygon) context.lineTo(x, y);
    context.closePath();
    context.stroke();
  }
}
