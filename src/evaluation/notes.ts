const LISTED = 10;

/** `3 images (1, 2, 7)`; long lists are cut. */
export function imageList(keys: readonly string[]): string {
  const listed = keys.slice(0, LISTED).join(', ');
  return `${keys.length} image${keys.length === 1 ? '' : 's'} (${listed}${keys.length > LISTED ? ', …' : ''})`;
}
