// A file input that shows how many text regions a picture has. Vite puts the weights beside the
// bundle and gives their address (`?url`).
import { loadModel, loadWeights, requestGpu } from 'panpp';
import weightsUrl from 'panpp/weights/pan-pp-resnet18.safetensors?url';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';

/** Loaded once, at the first picture. */
let loading;
async function load() {
  return loadModel(await requestGpu(), await loadWeights(weightsUrl, { cache: true }));
}

function App() {
  const [text, setText] = useState('Choose a picture.');
  async function show({ target: { files } }) {
    setText('Looking …');
    try {
      const model = await (loading ??= load());
      const { regions } = await model.detect(files[0], { shortSide: 320 });
      setText(`${regions.length} text regions`);
    } catch (error) {
      setText(error.message);
    }
  }
  return (
    <main>
      <input type="file" accept="image/*" onChange={show} />
      <p role="status">{text}</p>
    </main>
  );
}

createRoot(document.getElementById('root')).render(<App />);
