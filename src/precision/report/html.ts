// Text made safe for HTML, numbers as the report writes them, and the boxes that everything stands in.

/** Text for element content and quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** `2.35 %`, with a sign when asked. */
export function percent(share: number, options: { readonly digits?: number; readonly signed?: boolean } = {}): string {
  const { digits = 1, signed = false } = options;
  const text = (100 * share).toFixed(digits);
  return `${signed && share >= 0 ? '+' : ''}${text} %`;
}

/** Few digits whatever the size: 0.00185, 0.299, 4.2, 421. */
export function shortNumber(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size < 1e-4) return value.toExponential(1);
  return Number(value.toPrecision(3)).toString();
}

/** A part of the page; the lead is text, the content markup. */
export function section(title: string, lead: string, content: string): string {
  const intro = lead === '' ? '' : `<p class="lead">${escapeHtml(lead)}</p>`;
  return `<section><h2>${escapeHtml(title)}</h2>${intro}${content}</section>`;
}

/** Nothing for no content. */
export function card(content: string, title = ''): string {
  if (content === '') return '';
  return `<div class="card">${title === '' ? '' : `<h3>${escapeHtml(title)}</h3>`}${content}</div>`;
}
