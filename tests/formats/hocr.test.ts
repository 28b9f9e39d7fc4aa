import { describe, expect, it } from 'vitest';
import { formatHocr } from '../../src/formats/hocr.js';
import { broken, dot, found, image, read, strangePath, strangeText } from './example.js';

const head = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<title>street.jpg</title>
<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
<meta name="ocr-system" content="panpp 1.2.3"/>
<meta name="ocr-capabilities" content="ocr_page ocr_par ocr_line ocrx_word ocrp_poly ocrp_wconf ocr_par_unordered ocr_line_unordered ocrx_word_unordered"/>
<meta name="ocr-number-of-pages" content="1"/>
<meta name="ocr-langs" content="unknown"/>
<meta name="ocr-scripts" content="unknown"/>
</head>
<body>
<div class="ocr_page" id="page_1" title="image &quot;../photos/street.jpg&quot;; bbox 0 0 200 100">
`;

const words = `<p class="ocr_par" id="par_1" title="bbox 6 0 61 29">
<span class="ocr_line" id="line_1" title="bbox 6 0 61 29">
<span class="ocrx_word" id="word_1" title="bbox 6 0 61 29; x_wconf 95; poly 10 -2 60 8 56 28 6 18">Open</span>
</span>
</p>
<p class="ocr_par" id="par_2" title="bbox 120 40 191 61">
<span class="ocr_line" id="line_2" title="bbox 120 40 191 61">
<span class="ocrx_word" id="word_2" title="bbox 120 40 191 61; x_wconf 50; poly 120 40 180 40 190 60 150 55 120 60">daily</span>
</span>
</p>
`;

const foot = `</div>
</body>
</html>
`;

describe('formatHocr', () => {
  it('writes a page with a word in a line in a paragraph for each region', () => {
    expect(formatHocr(image, read, { system: 'panpp 1.2.3' })).toBe(head + words + foot);
  });

  it('writes an empty page for no regions', () => {
    expect(formatHocr(image, [], { system: 'panpp 1.2.3' })).toBe(head + foot);
  });

  it('escapes names and words', () => {
    const file = formatHocr({ ...image, path: strangePath }, [{ ...read[0], text: strangeText }], {
      system: 'a & b',
    });
    expect(file).toContain(
      '<title>b;c &quot;d&quot; &amp; &#39;e&#39; &lt;f&gt;#100%?ü 語\u{fffd}.png</title>',
    );
    // Quotes end a property's value and semicolons the property, in what an XML parser has
    // unescaped already.
    expect(file).toContain(
      'title="image &quot;a/b%3Bc %22d%22 &amp; &#39;e&#39; &lt;f&gt;#100%?ü 語%01.png&quot;; bbox 0 0 200 100"',
    );
    expect(file).toContain('>&lt;&quot;R&amp;B&quot;&gt;&#39;s\\\u{fffd} 語&#9;</span>');
    expect(file).toContain('content="a &amp; b"');
  });

  it('keeps boxes within the image, in whole numbers', () => {
    const region = {
      ...read[0],
      polygon: [
        [-3.4, 2.5],
        [1.4, 2],
        [1, 300],
      ],
      box: { left: -3.4, top: 2.5, right: 200.5, bottom: 99.1 },
    } as const;
    expect(formatHocr(image, [region])).toContain(
      '"bbox 0 2 200 100; x_wconf 95; poly -3 3 1 2 1 300"',
    );
  });

  it('leaves the word empty if none was read, and omits an unknown confidence', () => {
    const file = formatHocr(image, [{ ...dot, text: '' }]);
    expect(file).toContain('title="bbox 7 9 8 10; poly 7 9 8 9 8 10 7 10"></span>');
  });

  it('refuses regions without text, and coordinates that are no numbers', () => {
    expect(() => formatHocr(image, [read[0], found[1]])).toThrow(
      'region 2 has no text; hOCR needs recognised text (model.spot)',
    );
    expect(() => formatHocr(image, [broken])).toThrow('region 1 has NaN as coordinate');
  });
});
