import * as RootFilesystem from "@bottle/testing/RootFilesystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Temp from "@bottle/testing/Temp"

const entries = (file: string): ReadonlyArray<string> =>
  ChildProcess.execFileSync("tar", ["--list", "--verbose", "--file", file], { encoding: "utf8" }).trim().split("\n")

describe("RootFilesystem", () => {
  it.live("holds the programs, their libraries, and a few files, all of them root's", () =>
    Effect.gen(function* () {
      const path = yield* Effect.scoped(
        Effect.gen(function* () {
          const file = yield* RootFilesystem.tar({ programs: ["node", "sh"], files: { "/app/main.mjs": "1\n" } })
          const listed = entries(file)
          const names = listed.map((line) => line.split(" ").at(-1))
          assert.includeMembers(names, ["bin/node", "bin/sh", "etc/passwd", "etc/group", "app/main.mjs", "tmp/"])
          assert.isTrue(names.some((name) => /(?:^|\/)libc[.-]/.test(name ?? "") || /ld-musl/.test(name ?? "")))
          assert.isTrue(listed.every((line) => / 0\/0 /.test(line) && !line.startsWith("l")))
          assert.isTrue(listed.some((line) => line.startsWith("drwxrwxrwt ") && line.endsWith(" tmp/")))
          return file
        })
      )
      assert.isFalse(Fs.existsSync(path))
    })
  )

  // chroot is root's alone.
  it.live.skipIf(process.getuid?.() !== 0)("holds what its programs need to run", () =>
    Temp.withTempDir((root) =>
      Effect.gen(function* () {
        const file = yield* RootFilesystem.tar({ programs: ["sh"] })
        ChildProcess.execFileSync("tar", ["--extract", "--file", file, "--directory", root])
        const said = ChildProcess.execFileSync("chroot", [root, "/bin/sh", "-c", "echo $((6 * 7))"], {
          encoding: "utf8"
        })
        assert.strictEqual(said, "42\n")
      }).pipe(Effect.scoped)
    )
  )

  it.live("dies of a program that is not there", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.scoped(RootFilesystem.tar({ programs: ["no-such-program"] })))
      assert.isTrue(Exit.isFailure(exit))
    })
  )
})
