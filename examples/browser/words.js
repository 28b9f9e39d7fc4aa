// Words beside their regions: white letters with a dark rim, as in the command line's SVG, and
// nearly where it puts them. One rule places them on the page and in the saved picture.

const measuring = new OffscreenCanvas(1, 1).getContext('2d');
const fontOf = (size) => `600 ${size}px sans-serif`;

/** Of a saved picture, in its pixels. */
export const fontSizeOf = ({ width, height }) => Math.max(10, Math.min(width, height) / 40);

/**
 * Puts the words into an SVG group. They are set as text, never as markup: the characters come from
 * a weights file.
 * @param fontSize in pixels of the picture
 */
export function showWords(group, regions, picture, fontSize) {
  group.setAttribute('font-size', fontSize);
  group.replaceChildren(
    ...placed(regions, picture, fontSize).map(({ text, x, y }) => {
      const node = document.createElementNS('http://www.w3.org/2000/svg', 'text');
      node.setAttribute('x', x);
      node.setAttribute('y', y);
      node.textContent = text;
      return node;
    }),
  );
}

/** Draws the words on a canvas that has the picture's size. */
export function drawWords(context, regions) {
  const fontSize = fontSizeOf(context.canvas);
  const look = { fillStyle: '#fff', strokeStyle: '#000', lineWidth: fontSize / 5 };
  Object.assign(context, { ...look, font: fontOf(fontSize), lineJoin: 'round' });
  for (const { text, x, y } of placed(regions, context.canvas, fontSize)) {
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}

/** The words that were read and where their baselines start. */
function placed(regions, picture, fontSize) {
  measuring.font = fontOf(fontSize);
  return regions
    .filter(({ text }) => text)
    .map(({ text, box }) => {
      // As far right as its region, unless it would leave the picture.
      const room = picture.width - measuring.measureText(text).width;
      return {
        text,
        x: Math.max(0, Math.min(box.left, room)),
        y: baselineOf(box, picture, fontSize),
      };
    });
}

/** Above the region if there is room, else below, else inside. */
function baselineOf({ top, bottom }, { height }, fontSize) {
  const gap = fontSize * 0.4;
  if (top - gap >= fontSize) return top - gap;
  return bottom + gap + fontSize <= height ? bottom + fontSize : Math.max(0, top) + fontSize;
}
