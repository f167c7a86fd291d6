// Ranges of layers as recipes write them: `7`, `0-3`, `first:2`, `last:2`, and several of them, separated by commas.
// Layers count from 0, as in the names of tensors: blk.0 is the first.

const form = /^(?:(first|last):(\d+)|(\d+)(?:-(\d+))?)$/;

/** Whether a text is a range of layers, whatever the model. */
export function isLayerRange(text: string): boolean {
  return partsOf(text).every((part) => {
    const found = form.exec(part);
    if (found === null) return false;
    const [, , count, from, to] = found;
    return count === undefined ? to === undefined || Number(from) <= Number(to) : Number(count) > 0;
  });
}

/** The layers that a range (isLayerRange) means in a model; those it does not have are left out. */
export function layersIn(text: string, layerCount: number): Set<number> {
  return new Set(partsOf(text).flatMap((part) => layersOfPart(part, layerCount)));
}

function layersOfPart(part: string, layerCount: number): number[] {
  const [, edge, count = '0', from = '0', to = from] = form.exec(part) ?? [];
  const all = Array.from({ length: layerCount }, (_, layer) => layer);
  if (edge === 'first') return all.slice(0, Number(count));
  if (edge === 'last') return all.slice(Math.max(0, layerCount - Number(count)));
  return all.filter((layer) => layer >= Number(from) && layer <= Number(to));
}

function partsOf(text: string): string[] {
  return text.split(',').map((part) => part.trim());
}
