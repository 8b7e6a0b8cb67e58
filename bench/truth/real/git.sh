# git over the large repository: clone, log, grep, checkout, a commit of all files, gc, fsck.
set -eu
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='2025-01-01T00:00:00Z' GIT_COMMITTER_DATE='2025-01-01T00:00:00Z' GIT_PAGER=cat
git clone -q --no-local "$PWD/large.git" copy
cd copy
git config gc.autoDetach false
git log --stat | sha256sum
git grep -c 'line 1[0-9] of file 1' | sha256sum
git grep --cached 'changed by 29' | wc -l
git checkout -q HEAD~1500
git status --short | wc -l
git ls-files -s | sha256sum
git checkout -q main
find . -path ./.git -prune -o -type f -exec sed -i s/changed/altered/ {} +
git commit -q -a -m altered
git rev-parse HEAD
git blame d0/e0/f0 | sha256sum
git gc -q
git fsck --no-progress
git rev-list --objects --all | sort | sha256sum
git clone -q . ../second
git -C ../second diff --stat HEAD~100 | tail -n 1
