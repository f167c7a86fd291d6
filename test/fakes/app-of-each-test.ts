// What most tests of routes begin with: an application for the running test, requests to it, and its end with the test.

import { afterEach } from 'vitest';
import { must } from '../../src/assert.ts';
import { answerAllWith } from './engine.ts';
import { buildTestApp, type TestApp, type TestAppOptions } from './http-app.ts';

export interface AppOfEachTest {
  /** Builds an application for the running test. A test may open several. */
  open(options?: TestAppOptions): Promise<TestApp>;
  /** The newest of the running test. */
  opened(): TestApp;
  /** POSTs to it as a client with a whole answer would. */
  post(url: string, payload: object): Promise<Posted>;
}

export interface Posted {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export interface AppDefaults extends TestAppOptions {
  /** The text that the engine answers every request with; by default a test sees to that itself. */
  readonly answer?: string;
}

/** To be called where a file, or a describe, begins. */
export function appOfEachTest({ answer, ...defaults }: AppDefaults = {}): AppOfEachTest {
  let apps: TestApp[] = [];
  afterEach(async () => {
    const ended = apps;
    apps = [];
    for (const { app } of ended) await app.close();
  });
  const opened = (): TestApp => must(apps.at(-1), 'open() was called');
  return {
    async open(options = {}) {
      const testApp = await buildTestApp({ ...defaults, ...options });
      apps.push(testApp);
      if (answer !== undefined) answerAllWith(testApp.engine, answer);
      return testApp;
    },
    opened,
    async post(url, payload) {
      const response = await opened().app.inject({ method: 'POST', url, payload });
      return { status: response.statusCode, headers: response.headers, text: response.body };
    },
  };
}
