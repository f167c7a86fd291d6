// What becomes of the layouts that an earlier run measured when a new result takes its place: a run that measures none keeps
// them where they still say something of what is found now. Pure.
// Why only beside the same knobs: steps were timed with them in both layouts, and others cost something else in each.

import { loadText } from '../engine/weigh-layouts.ts';
import { type KeptTuning, otherConditions } from './kept-results.ts';
import { changedKnobs } from './speed-values.ts';

export interface Succession {
  /** What is to be kept. */
  readonly result: KeptTuning;
  /** What became of the earlier run's layouts, for the operator; undefined where there is nothing to tell. */
  readonly told: string | undefined;
}

/** `earlier`: what was kept for the same identity until now. */
export function succeed(result: KeptTuning, earlier: KeptTuning | undefined): Succession {
  const before = earlier?.report.layouts;
  if (earlier === undefined || before?.kind !== 'measured') return { result, told: undefined };
  const { report } = result;
  const of = `what was measured of the KV layouts for ${loadText(before.evidence.load)} (${before.at ?? earlier.at})`;
  if (report.layouts?.kind === 'measured') {
    const isSame = loadText(report.layouts.evidence.load) === loadText(before.evidence.load);
    return { result, told: isSame ? undefined : `this takes the place of ${of}` };
  }
  const obstacles = obstaclesOf(result, earlier);
  if (obstacles.length > 0) return { result, told: `${of} is dropped: ${obstacles.join('; ')}` };
  const layouts = { ...before, at: before.at ?? earlier.at };
  return { result: { ...result, report: { ...report, layouts } }, told: `${of} is kept` };
}

/** Why the earlier run's times are none of what is found now. */
function obstaclesOf(result: KeptTuning, earlier: KeptTuning): readonly string[] {
  const [before, now] = [earlier.report.tuned, result.report.tuned];
  const knobs = changedKnobs(before, now).map((knob) => `it had ${knob} ${before[knob]}, and this has ${now[knob]}`);
  return [...knobs, ...otherConditions(earlier.conditions, result.conditions)];
}
