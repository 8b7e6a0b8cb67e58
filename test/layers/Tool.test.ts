import { assert, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Tool from "../../src/layers/Tool.ts"

it("the recorder names the version of the package", () => {
  const { version } = JSON.parse(Fs.readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
  assert.strictEqual(Tool.version, version)
})
