import { assert, describe, it } from "@effect/vitest"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { resolveCommand } from "../../../src/layers/local/ResolveCommand.ts"

/** A folder with a program, a file that is none, and scripts; removed at the end. */
const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const root = mkdtempSync(join(tmpdir(), "agentops-resolve-"))
    const put = (name: string, content: string, mode: number) => {
      writeFileSync(join(root, name), content)
      chmodSync(join(root, name), mode)
    }
    mkdirSync(join(root, "sub"))
    put("sub/tool", "#!/bin/sh\n", 0o755)
    put("plain", "text", 0o644)
    put("lost", "#!/no/such/interpreter -x\n", 0o755)
    put("dos", "#!/bin/sh\r\necho\r\n", 0o755)
    put("blocked", `#! ${join(root, "plain")}\n`, 0o755)
    symlinkSync("loop", join(root, "loop"))
    symlinkSync("nowhere", join(root, "dangling"))
    return root
  }),
  (root) => Effect.sync(() => rmSync(root, { recursive: true }))
)

const resolved = (command: string, cwd: string, path: string | undefined) =>
  resolveCommand({ command, cwd }, { PATH: path }).pipe(
    Effect.catchAll((error) => Effect.succeed(`${error.exitStatus} ${error.message}`))
  )

describe("resolveCommand", () => {
  it.scoped("finds a name in PATH, first folder first, relative and empty elements from the working directory", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const tool = join(root, "sub/tool")
      assert.strictEqual(yield* resolved("tool", root, `/nowhere:${root}/sub`), tool)
      assert.strictEqual(yield* resolved("tool", root, "sub"), tool)
      assert.strictEqual(yield* resolved("tool", join(root, "sub"), "/nowhere:"), tool)
      assert.strictEqual(yield* resolved("sh", root, undefined), "/bin/sh")
    })
  )

  it.scoped("takes anything with a slash as a path from the working directory", () =>
    Effect.gen(function* () {
      const root = yield* folder
      assert.strictEqual(yield* resolved("./sub/tool", root, ""), join(root, "sub/tool"))
      assert.strictEqual(yield* resolved("/bin/sh", root, ""), "/bin/sh")
    })
  )

  it.scoped("says 127 for what is not there", () =>
    Effect.gen(function* () {
      const root = yield* folder
      assert.strictEqual(yield* resolved("nothing", root, "/bin"), "127 nothing: command not found")
      assert.strictEqual(yield* resolved("tool", root, ""), "127 tool: command not found: PATH is empty")
      assert.strictEqual(yield* resolved("./nothing", root, "/bin"), "127 ./nothing: no such file")
      assert.strictEqual(yield* resolved("./dangling", root, "/bin"), "127 ./dangling: no such file")
      assert.strictEqual(yield* resolved("./plain/x", root, "/bin"), "127 ./plain/x: no such file")
      assert.strictEqual(yield* resolved("", root, "/bin"), "127 (empty name): command not found")
    })
  )

  it.scoped("says 126 for what is there and cannot be executed, and prefers another one further on in PATH", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const denied = "permission denied: it is not executable for this user"
      assert.strictEqual(yield* resolved("./plain", root, ""), `126 ./plain: ${denied}`)
      assert.strictEqual(yield* resolved("plain", root, `${root}:/bin`), `126 ${root}/plain: ${denied}`)
      assert.strictEqual(yield* resolved("sub", root, root), `126 ${root}/sub: is a directory, not a command`)
      assert.strictEqual(yield* resolved("./loop", root, ""), "126 ./loop: too many symbolic links")
      writeFileSync(join(root, "sh"), "")
      assert.strictEqual(yield* resolved("sh", root, `${root}:/bin`), "/bin/sh")
    })
  )

  it.scoped("says 126 for a script whose interpreter cannot run", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const lost = "its interpreter /no/such/interpreter: does not exist"
      assert.strictEqual(yield* resolved("./lost", root, ""), `126 ${root}/lost: ${lost}`)
      assert.strictEqual(
        yield* resolved("./dos", root, ""),
        String.raw`126 ${root}/dos: its interpreter /bin/sh\r: does not exist`
      )
      assert.include(yield* resolved("./blocked", root, ""), `its interpreter ${root}/plain: permission denied`)
    })
  )
})
