/**
 * The programs that are compared: each a script in workloads/, which does the same and prints the same whenever it runs.
 *
 * To add one, write the script and list it here and in docs/coverage.md. It gets a new directory, TMPDIR and HOME of its
 * own at the same paths every time, the servers of Loopback.ts in TRUTH_*, TRUTH_PROGRAMS with what Programs.ts built, and
 * TRUTH_SOURCES with programs/.
 *
 * @module
 */

export interface Workload {
  /** Of the script, without `.sh`. */
  readonly name: string
  readonly about: string
  /** What must be there, as commands. */
  readonly needs: ReadonlyArray<string>
  /** Left out, loudly, where what it needs is not installed: too large for Debian's packages in CI. */
  readonly optional?: true
  /** Makes its calls past libc by itself although it is dynamic: no preloaded library sees them. */
  readonly raw?: true
  /** Reads whose number is chance, not the program's doing: left out of the comparison. */
  readonly chance?: RegExp
}

export const workloads: ReadonlyArray<Workload> = [
  { name: "bash", about: "pipelines, redirections, /dev/tcp, a coprocess", needs: ["bash", "diff"] },
  { name: "dash", about: "PATH search, scripts of interpreters, jobs", needs: ["dash", "perl"] },
  {
    name: "python-subprocess",
    about: "subprocess, os.system, posix_spawn, exec, multiprocessing",
    needs: ["python3"],
    chance: /\/run\/work$/ // listed again by an import when its time stamp has changed
  },
  { name: "python-sockets", about: "TCP, UDP, IPv6, Unix, abstract, asyncio, urllib", needs: ["python3"] },
  { name: "node-spawn", about: "child_process, worker_threads, fs", needs: ["node"] },
  { name: "node-fetch", about: "fetch, http, net, dgram", needs: ["node"] },
  { name: "perl", about: "system, backticks, pipes, sockets, temporary files", needs: ["perl"] },
  {
    name: "git",
    about: "commit, merge, stash, clone, gc, hooks, bisect",
    needs: ["git"],
    chance: /^(?:dir\d\/(?:file|\.gitattributes)|common|side|\.gitattributes)$/ // looked into when a second has not passed
  },
  { name: "gcc", about: "compile, archive, link, run", needs: ["gcc", "ar"] },
  { name: "make", about: "make -j4 of 16 files, a recursive make", needs: ["make", "gcc"] },
  { name: "tar", about: "tar with gzip and xz, split, cmp", needs: ["tar", "xz"] },
  { name: "find", about: "find -exec, -execdir, -delete; xargs -P4", needs: ["find", "xargs"] },
  { name: "sed", about: "sed -i and the writers of coreutils", needs: ["sed"] },
  { name: "awk", about: "files, pipes and system()", needs: ["awk"] },
  { name: "npm", about: "npm run, test, pack, without a network", needs: ["npm"] },
  { name: "npm-ci", about: "npm ci of a packed file, with an install script", needs: ["npm"] },
  { name: "curl", about: "TCP, IPv6, Unix socket, refused, upload", needs: ["curl"] },
  { name: "rust", about: "cargo build and test, rustc, without a network", needs: ["cargo", "rustc"], optional: true },
  { name: "busybox", about: "static busybox as shell and tools", needs: ["busybox"] },
  { name: "static-raw", about: "static program, calls by the syscall instruction", needs: ["gcc"] },
  { name: "dynamic-raw", about: "dynamic program, calls by the syscall instruction", needs: ["gcc"], raw: true },
  { name: "syscall", about: "dynamic program, calls by libc's syscall()", needs: ["gcc"] },
  { name: "libc", about: "every function of glibc that execs, opens or connects", needs: ["gcc"] },
  { name: "musl", about: "the same linked with musl", needs: ["musl-gcc"] },
  { name: "threads", about: "8 threads that open, connect and spawn", needs: ["gcc"] },
  { name: "allocator", about: "a malloc of its own that opens files under its lock", needs: ["gcc"] },
  { name: "env-i", about: "cleaned environments at several depths", needs: ["python3", "perl"] },
  { name: "wrappers", about: "nice, nohup, timeout, setsid, setpriv, chroot, double forks", needs: ["setpriv"] },
  { name: "keys", about: "ssh-keygen and openssl", needs: ["ssh-keygen", "openssl"] },
  { name: "compress", about: "gzip, bzip2, xz, checksums", needs: ["bzip2", "xz"] },
  { name: "dpkg", about: "dpkg-deb builds and unpacks", needs: ["dpkg-deb"] }
]
