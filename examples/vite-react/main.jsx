// A file input that shows how many text regions a picture has, and their words. Vite puts the
// weights beside the bundle and gives their address (`?url`).
import { loadModel, loadWeights, requestGpu } from 'panpp';
import weightsUrl from 'panpp/weights/pan-pp-resnet18.safetensors?url';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';

/** Loaded once, at the first picture; again if that failed. */
let loading;
async function load() {
  return loadModel(await requestGpu(), await loadWeights(weightsUrl, { cache: true }));
}

function App() {
  const [status, setStatus] = useState('Choose a picture.');
  const [words, setWords] = useState([]);
  async function show({ target: { files } }) {
    const [picture] = files;
    // The picker was cancelled.
    if (!picture) return;
    setStatus('Looking …');
    setWords([]);
    try {
      loading ??= load().catch((error) => {
        loading = undefined;
        throw error;
      });
      const { regions } = await (await loading).spot(picture, { shortSide: 320 });
      setStatus(`${regions.length} text regions`);
      // Empty where no character was found.
      setWords(regions.map(({ text }) => text).filter(Boolean));
    } catch (error) {
      setStatus(error.message);
    }
  }
  return (
    <main>
      <input type="file" accept="image/*" onChange={show} />
      <p role="status">{status}</p>
      <ul>
        {words.map((word, index) => (
          <li key={index}>{word}</li>
        ))}
      </ul>
    </main>
  );
}

createRoot(document.getElementById('root')).render(<App />);
