// Text for XML documents.

// XML 1.0, section 2.2: all other characters may not stand in a document, not even escaped. With
// the u flag a surrogate is only found where it stands alone.
const FORBIDDEN = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  // Parsers would make plain spaces of these in attributes.
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/**
 * Text as it must stand in XML, in an element or an attribute. What XML can't hold becomes U+FFFD.
 */
export function escapeXml(text: string): string {
  return text
    .replace(FORBIDDEN, '\u{fffd}')
    .replace(/[&<>"'\t\n\r]/g, (character) => ESCAPES[character]);
}
