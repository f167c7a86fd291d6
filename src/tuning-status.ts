// What is known of tuned values in use: found at start, told by a route and the banner.

export type TuningStatus =
  | { readonly kind: 'off' }
  | {
      readonly kind: 'tuned';
      /** When they were found: ISO 8601. */
      readonly at: string;
      /** Settings that were taken from the result, by name; empty where the defaults were found to be best. */
      readonly settings: Readonly<Record<string, string | number>>;
      /** Settings of the result that were set otherwise. */
      readonly overridden: readonly string[];
      readonly loads: readonly TunedLoad[];
    };

export interface TunedLoad {
  /** `decode-8`: a step of eight rows; `prompt`: reading prompts. */
  readonly name: string;
  /** Under the defaults: milliseconds a step, or a token of a prompt. */
  readonly defaultMs: number;
  /** Of the tuned cost to that; undefined where the defaults are best. */
  readonly ratio: number | undefined;
}
