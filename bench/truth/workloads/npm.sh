# npm without a network: run of a script that calls others, pack, and npm's own start.
set -eu
export npm_config_cache=$PWD/cache npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false
export npm_config_offline=true npm_config_loglevel=silent npm_config_logs_max=0
mkdir -p project/lib && cd project
printf '{"name":"small","version":"1.0.0","bin":"cli.js","scripts":{"prehello":"echo before","hello":"node cli.js | cat","test":"sh -c %s"}}\n' "'exit 0'" >package.json
printf '#!/usr/bin/env node\nconsole.log("hello from", require("node:path").basename(__dirname))\n' >cli.js
echo x >lib/x
npm run -s hello
npm test -s
npm pack --silent
tar tzf small-1.0.0.tgz | sort
