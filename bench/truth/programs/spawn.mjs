/** Every way in which Node starts a program and opens a file. */
import { exec, execFile, execFileSync, execSync, fork, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { appendFile, copyFile, open, readFile, readdir, writeFile } from "node:fs/promises"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Worker, isMainThread } from "node:worker_threads"

const self = fileURLToPath(import.meta.url)
const print = (text) => process.stdout.write(`${text}\n`)

if (!isMainThread) {
  Fs.writeFileSync("from-worker", "x")
  spawnSync("/bin/true")
} else if (process.argv[2] === "child") {
  Fs.writeFileSync("from-child", "x")
} else {
  const child = spawn("sh", ["-c", "echo spawned; cat"], { stdio: ["pipe", "inherit", "inherit"] })
  child.stdin.end("input\n")
  await once(child, "close")
  print((await promisify(exec)("echo exec | tr a-z A-Z")).stdout.trim())
  print((await promisify(execFile)("cat", ["from-nowhere"]).catch((error) => error)).code)
  print((await promisify(execFile)("no-such-program").catch((error) => error)).code)
  print(execSync("echo execSync >made; cat made").toString().trim())
  print(
    execFileSync("/bin/echo", ["execFileSync"], { cwd: "/", env: { A: "b" } })
      .toString()
      .trim()
  )
  const detached = spawn("/bin/sh", ["-c", "echo detached >detached"], { detached: true, stdio: "ignore" })
  await once(detached, "close")
  await once(fork(self, ["child"]), "close")
  await once(new Worker(self), "exit")
  await writeFile("promised", "x")
  await appendFile("promised", "y")
  await copyFile("promised", "copied")
  const handle = await open("handled", "w+")
  await handle.write("z")
  await handle.close()
  await Promise.all(Array.from({ length: 20 }, (_, i) => writeFile(`many-${i}`, String(i))))
  Fs.createWriteStream("streamed").end("s")
  Fs.openSync("exclusive", "wx")
  Fs.mkdtempSync("directory-")
  Fs.cpSync("promised", "recursive", { recursive: true })
  print(await readFile("promised", "utf8"))
  print((await readdir(".")).filter((name) => name.startsWith("many")).length)
}
