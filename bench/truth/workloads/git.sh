# git: init, add, commit, branch, merge, rebase, stash, log, grep, archive, clone, fetch, gc, a hook, a bisect by script.
set -eu
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='2025-01-01T00:00:00Z' GIT_COMMITTER_DATE='2025-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
git -c init.defaultBranch=main init -q project
cd project
git config gc.auto 0
git config maintenance.auto false
git config pack.threads 1
printf '#!/bin/sh\necho "hook ran" >>.git/hook.log\n' >.git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
for i in 1 2 3 4 5; do
  mkdir -p "dir$i"
  echo "line $i" >"dir$i/file"
  echo "$i" >>common
  git add .
  git commit -q -m "commit $i"
done
git checkout -q -b side HEAD~2
echo side >side
git add side
git commit -q -m side
git checkout -q main
git merge -q -m merge side
echo changed >>common
git stash -q
git stash pop -q
git commit -q -am changed
git log --oneline --stat | tail -n 4
git grep -c line
git archive HEAD | tar tf - | wc -l
git -c protocol.file.allow=always clone -q --no-local . ../clone
git -C ../clone fetch -q
git gc -q
git fsck
git bisect start HEAD HEAD~3 >/dev/null
git bisect run sh -c 'test ! -e side' >/dev/null
git bisect reset >/dev/null 2>&1
git rev-parse HEAD
