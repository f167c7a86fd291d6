// A server's metrics as text.

/** Throws an Error when the server answers anything but its metrics. */
export async function scrape(url: string): Promise<string> {
  const response = await fetch(`${url.replace(/\/$/, '')}/metrics`);
  if (!response.ok) throw new Error(`${url}/metrics answered ${response.status}`);
  return response.text();
}
