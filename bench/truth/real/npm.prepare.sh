# A small project with a locked tree, and a cache that has all of it. esbuild's install script runs a static Go program.
set -eu
mkdir project cache
cd project
cat >package.json <<'J'
{"name":"small","version":"1.0.0","private":true,"type":"module",
 "dependencies":{"esbuild":"0.28.2","fast-check":"3.23.2","typescript":"6.0.3"},
 "scripts":{"build":"esbuild main.ts --bundle --minify --platform=node --format=esm --outfile=main.js","check":"tsc --noEmit --strict --skipLibCheck --module nodenext main.ts","test":"node main.js"}}
J
cat >main.ts <<'T'
import * as fc from "fast-check"
const checked = fc.check(fc.property(fc.integer(), fc.integer(), (a, b) => a + b === b + a), { seed: 7 })
process.stdout.write(`failed: ${checked.failed} after ${checked.numRuns} runs\n`)
declare const process: { stdout: { write(text: string): void } }
T
export npm_config_update_notifier=false npm_config_omit_lockfile_registry_resolved=false
npm install --cache "$PWD/../cache" --no-audit --no-fund --loglevel=error --foreground-scripts >/dev/null
rm -rf node_modules
