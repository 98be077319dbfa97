import * as Census from "@bottle/testing/Census"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

const spawn = (
  program: string,
  words: ReadonlyArray<string>,
  env: Record<string, string> = {}
): Effect.Effect<ChildProcess.ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(program, words, { env: { PATH: process.env["PATH"], ...env }, stdio: "ignore" })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const linesOf = (census: Census.Census) => Effect.map(census.take, Census.lines)

const mayUnshare =
  ChildProcess.spawnSync("unshare", ["--user", "--map-root-user", "--pid", "--fork", "true"]).status === 0

describe("Census", () => {
  it.scopedLive("counts every file and directory but what is meant to stay", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const [kept, left] = [Path.join(directory, "kept"), Path.join(directory, "left")]
      for (const path of [kept, left]) Fs.mkdirSync(path)
      Fs.writeFileSync(Path.join(kept, "stays"), "")
      Fs.writeFileSync(Path.join(kept, "goes"), "")
      const census = Census.make({
        marker: randomUUID(),
        directories: [directory],
        stays: (path, isDirectory) => (isDirectory ? path === kept : path.endsWith("/stays"))
      })
      assert.deepStrictEqual(yield* linesOf(census), [`file ${kept}/goes`, `file ${left}`])
      Fs.rmSync(left, { recursive: true })
      Fs.rmSync(Path.join(kept, "goes"))
      assert.deepStrictEqual(yield* linesOf(census), [])
    })
  )

  it.scopedLive("counts an address of this machine in a network that was named, and in no other", () =>
    Effect.gen(function* () {
      const own = Object.values(Os.networkInterfaces())
        .flatMap((entries) => entries ?? [])
        .find(({ family }) => family === "IPv4")
      if (own === undefined) return
      const within = (subnet: string) =>
        linesOf(Census.make({ marker: randomUUID(), directories: [], subnets: () => [subnet] }))
      const found = yield* within(`${own.address}/32`)
      assert.isTrue(
        found.some((line) => line.startsWith(`address ${own.address}/`)),
        found.join("\n")
      )
      assert.deepStrictEqual(yield* within("240.0.0.0/4"), [])
    })
  )

  it.scopedLive.skipIf(!mayUnshare)(
    `counts a process that hides, in a namespace of one that bore the marker${
      mayUnshare ? "" : " (skipped: this machine does not let us unshare a user namespace)"
    }`,
    () =>
      Effect.gen(function* () {
        const marker = `marker-${randomUUID()}`
        const census = Census.make({ marker, directories: [] })
        // The first process of the namespace bears no marker, its first child does, and ends when it is told.
        const go = Path.join(yield* Temp.directory, "go")
        const script = `MARKER=${marker} sh -c 'until [ -e "$0" ]; do sleep 0.02; done' ${go} & exec sleep 100`
        yield* spawn("unshare", ["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "sh", "-c", script])
        yield* waitUntil(
          Effect.map(census.take, ({ namespaces }) => namespaces.some((name) => name.startsWith("pid:"))),
          { boundMillis: 20_000 }
        )
        Fs.writeFileSync(go, "")
        const isAlone = ({ processes, strangers }: Census.Counted) =>
          processes.every((line) => line.includes("unshare")) && strangers.some((line) => line.includes("sleep 100"))
        yield* waitUntil(Effect.map(census.take, isAlone), { boundMillis: 20_000 })
      })
  )
})
