import { describe, expect, it } from 'vitest';
import { escapeXml } from '../../src/formats/xml.js';

describe('escapeXml', () => {
  it.each([
    ['plain ü 語 😀', 'plain ü 語 😀'],
    [`<a b="c" d='e'>&amp;`, '&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;'],
    ['tab\tline\nreturn\r', 'tab&#9;line&#10;return&#13;'],
    // No XML document may have these, in whatever form.
    ['\u0000\u0008\u000b\u001f\ufffe\uffff', '\ufffd'.repeat(6)],
    ['\ud800 \udc00 \ud83d\ude00', '\ufffd \ufffd \ud83d\ude00'],
    [']]>', ']]&gt;'],
  ])('%j', (text, escaped) => {
    expect(escapeXml(text)).toBe(escaped);
  });
});
