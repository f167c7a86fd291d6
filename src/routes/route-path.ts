// Whether a request's path is that of a route: for the allow header, and for the checks of answers in tests.

/** `url` may end in `/*`, or have segments `:id`. */
export function isAt(path: string, url: string): boolean {
  if (url.endsWith('/*')) return path.startsWith(url.slice(0, -1));
  const [given, known] = [path.split('/'), url.split('/')];
  return known.length === given.length && known.every((part, index) => part === given[index] || part.startsWith(':'));
}
