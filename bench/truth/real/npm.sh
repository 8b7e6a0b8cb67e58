# npm ci from the cache alone, with install scripts; then build, check and test by the project's own tools.
set -eu
export npm_config_update_notifier=false npm_config_logs_max=0
cd project
npm ci --offline --cache "$PWD/../cache" --no-audit --no-fund --loglevel=error --foreground-scripts
(cd node_modules && find . -type f ! -name .package-lock.json -print0 | sort -z | xargs -0 sha256sum | sha256sum)
npm run -s check
npm run -s build
sha256sum main.js
npm test -s
