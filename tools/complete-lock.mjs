// Adds to package-lock.json the optional packages of other platforms that npm left out: node tools/complete-lock.mjs
// Why: npm leaves an optional package out of a new lock file when the registry has not got it at that moment (mirrors fetch
// late), and `npm ci` then refuses the file everywhere. Such a package is published at an exact version together with the one
// that lists it and named after its platform, so its entry can be written from that. npm installs an entry without a checksum;
// `npm install` on that platform adds the checksum.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const path = join(import.meta.dirname, '..', 'package-lock.json');
const lock = JSON.parse(readFileSync(path, 'utf8'));

const systems = { android: 'android', darwin: 'darwin', mac: 'darwin', linux: 'linux', win: 'win32', win32: 'win32' };
const processors = ['arm64', 'armv7l', 'riscv64', 'x64'];
const exact = /^\d+\.\d+\.\d+$/;

/** Reads `@scope/cli-linux-x64-musl`; undefined for a name that tells no platform. */
function platformOf(name) {
  const words = name.split(/[/-]/);
  const os = words.map((word) => systems[word]).find((system) => system !== undefined);
  const cpu = processors.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined) return undefined;
  const libc = os === 'linux' ? { libc: [words.includes('musl') ? 'musl' : 'glibc'] } : {};
  return { os: [os], cpu: [cpu], ...libc };
}

for (const owner of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    const platform = platformOf(name);
    if (lock.packages[key] !== undefined || platform === undefined || !exact.test(version)) continue;
    const dev = owner.dev ? { dev: true } : {};
    lock.packages[key] = {
      version,
      ...dev,
      license: owner.license,
      optional: true,
      ...platform,
      engines: owner.engines,
    };
    console.log(`added ${name} ${version}`);
  }
}

const [root, ...installed] = Object.entries(lock.packages);
lock.packages = Object.fromEntries([root, ...installed.sort(([a], [b]) => a.localeCompare(b, 'en'))]);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
