# npm ci from a directory and a packed file, offline, with an install script of its own.
set -eu
export npm_config_cache=$PWD/cache npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false
export npm_config_offline=true npm_config_loglevel=error npm_config_logs_max=0
mkdir -p dependency project
printf '{"name":"dependency","version":"1.0.0","main":"index.js"}' >dependency/package.json
echo 'module.exports = 7' >dependency/index.js
(cd dependency && npm pack --silent --pack-destination ../project >/dev/null)
cd project
printf '{"name":"project","version":"1.0.0","private":true,"dependencies":{"dependency":"file:dependency-1.0.0.tgz"},"scripts":{"postinstall":"node -p 40+2"}}' >package.json
npm install --package-lock-only --ignore-scripts >/dev/null
npm ci --foreground-scripts 2>&1 | grep -v 'added 1 package'
node -p 'require("dependency")'
