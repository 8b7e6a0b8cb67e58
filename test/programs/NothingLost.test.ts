import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AuditStoreSqlite from "../../src/layers/AuditStoreSqlite.ts"
import * as CollectorUnix from "../../src/layers/CollectorUnix.ts"
import * as ContainerRuntimeLocal from "../../src/layers/ContainerRuntimeLocal.ts"
import * as HostSignalsProcess from "../../src/layers/HostSignalsProcess.ts"
import * as ShimInjectorNative from "../../src/layers/ShimInjectorNative.ts"
import * as Home from "../../src/programs/Home.ts"
import * as Run from "../../src/programs/Run.ts"
import { AuditStore } from "../../src/services/AuditStore.ts"
import * as Cli from "../fixtures/Cli.ts"
import * as Native from "../fixtures/Native.ts"

const processes = 8
const threads = 8
const opensEach = 15_625
const writesEach = 625
const total = processes * threads * opensEach
const totalWrites = processes * threads * writesEach

/** Opens one file as fast as it can: `opensEach` times, the last `writesEach` of them for writing. */
const flood = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static const char *path;
static void *work(void *unused) {
  (void)unused;
  for (int at = 0; at < ${opensEach}; at++) {
    int file = open(path, at < ${opensEach - writesEach} ? O_RDONLY : O_WRONLY);
    if (file < 0) _exit(9);
    close(file);
  }
  return NULL;
}
int main(int count, char **arguments) {
  if (count != 2) return 2;
  path = arguments[1];
  for (int at = 0; at < ${processes}; at++) {
    if (fork() != 0) continue;
    pthread_t threads[${threads}];
    for (int each = 0; each < ${threads}; each++) if (pthread_create(&threads[each], NULL, work, NULL)) _exit(8);
    for (int each = 0; each < ${threads}; each++) pthread_join(threads[each], NULL);
    _exit(0);
  }
  int failed = 0, status;
  while (wait(&status) > 0) failed |= status;
  return failed ? 1 : 0;
}
`

const compiled = (folder: string): string => {
  const path = Path.join(folder, "flood")
  Fs.writeFileSync(`${path}.c`, flood)
  const made = spawnSync("cc", ["-O1", "-pthread", "-o", path, `${path}.c`], { encoding: "utf8" })
  assert.strictEqual(made.status, 0, made.error?.message ?? made.stderr)
  return path
}

/** A store whose every call takes so much longer: the collector is slower than its senders. */
const throttled = (millis: number) =>
  Layer.effect(
    AuditStore,
    Effect.map(AuditStore, (store): AuditStore["Type"] => ({
      ...store,
      appendAll: (records) => Effect.zipRight(Effect.sleep(millis), store.appendAll(records)),
      commit: (record) => Effect.zipRight(Effect.sleep(millis), store.commit(record))
    }))
  )

const mebibytes = () => process.memoryUsage.rss() / (1024 * 1024)

describe("a guest that opens a million files as fast as it can", { timeout: 600_000 }, () => {
  it.live("is recorded by a slow store: every open is there, memory stays flat, other records get through", (context) =>
    Effect.gen(function* () {
      Native.needed(context)
      const home = Cli.newHome()
      const folder = Cli.scratch()
      const command = compiled(folder)
      const target = Path.join(folder, "opened")
      Fs.writeFileSync(target, "")

      let run = ""
      let highest = 0
      const start = mebibytes()
      /** Entries that came between a record of another lane and the moment in which it was handed in. */
      const behind: Array<number> = []
      const otherLane = (store: AuditStore["Type"]) =>
        Effect.gen(function* () {
          highest = Math.max(highest, mebibytes())
          const { size } = yield* store.head
          const { seq } = yield* store.commit({ type: "probe", source: "test", data: {} })
          behind.push(seq - size)
        }).pipe(Effect.repeat(Schedule.spaced("100 millis")))

      const summary = yield* Run.run({
        command,
        args: [target],
        workspace: folder,
        env: {},
        timeoutMillis: undefined,
        onAuditFailure: "stop",
        tty: false,
        name: undefined,
        record: "hybrid",
        deny: { exec: [], open: [], connect: [] },
        agent: undefined,
        onRecording: (stored) => Effect.sync(() => void (run = stored.path)),
        onLess: () => Effect.void,
        openCollector: (stored) =>
          Layer.unwrapScoped(
            Effect.gen(function* () {
              const store = yield* AuditStore
              yield* Effect.forkScoped(otherLane(store))
              const slow = throttled(5).pipe(Layer.provide(Layer.succeed(AuditStore, store)))
              const options = { path: Path.join(stored.path, "audit.sock"), session: stored.id }
              return CollectorUnix.layer(options).pipe(Layer.provide(slow))
            })
          ),
        openStore: (stored) => AuditStoreSqlite.layer({ path: stored.auditDb, run: stored.id, tool: "test/1" })
      }).pipe(
        Effect.provide(
          Layer.mergeAll(
            Home.recording,
            ContainerRuntimeLocal.layer,
            ShimInjectorNative.layer(),
            HostSignalsProcess.layer
          )
        ),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["AGENTOPS_HOME", home]])))
      )
      assert.strictEqual(summary.exit, 0)

      const log = Cli.leaves(run)
      const opened = log.filter(({ data, type }) => type === "open" && data["path"] === target)
      const writes = opened.filter(({ data }) => (Number(data["flags"]) & 3) !== 0)
      const dropped = log
        .filter(({ type }) => type === "drop")
        .reduce((sum, { data }) => sum + Number(data["count"]), 0)
      assert.strictEqual(opened.length + dropped, total)
      assert.deepStrictEqual(
        [writes.length, new Set(writes.map(({ source }) => source))],
        [totalWrites, new Set(["runner"])]
      )
      assert.strictEqual(dropped, 0)

      // A record of another lane waits for what is already on its way, and for nothing that is read later.
      assert.isAbove(behind.length, 20)
      assert.isBelow(Math.max(...behind), 8 * 1024, "entries before a record of another lane")
      assert.isBelow(highest - start, 300, `MiB more than the ${Math.round(start)} at the start`)
      const { report, status } = yield* Effect.promise(() => Cli.audit([], { home }))
      assert.deepStrictEqual([report.verdict, status], ["INTACT", 0])
    })
  )
})
