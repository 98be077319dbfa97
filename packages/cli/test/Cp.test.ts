import { cp, CpDocument } from "@bottle/cli/commands/Cp"
import type { CpRequest } from "@bottle/cli/requests/CpRequest"
import type { BottleOutput } from "@bottle/engine/Bottle"
import type { FoundBottle } from "@bottle/engine/Bottles"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Fixture from "./fixtures/bottles.js"

/** A bottle whose guest has one directory, and says that of whatever it is asked about; `said` is what its tar says. */
const foundOf = (home: string, archive: Uint8Array, said: string, code: number): FoundBottle => {
  return Fixture.foundOf(Fixture.planOf(home, "a"), {
    exec: () =>
      Effect.succeed({
        exit: Fixture.exitOf(0),
        stdout: Buffer.from("tar\ndirectory\n"),
        stderr: new Uint8Array(0)
      }),
    stream: () =>
      Stream.make<Array<BottleOutput>>(
        { _tag: "Stdout", bytes: archive },
        { _tag: "Stderr", bytes: Buffer.from(said) },
        { _tag: "Exit", exit: Fixture.exitOf(code) }
      )
  })
}

/** An archive with a file, a link that stays, and so many that lead out. */
const archiveOf = (home: string, links: number): Uint8Array => {
  const at = `${home}/made`
  Fs.mkdirSync(at)
  Fs.writeFileSync(`${at}/x`, "four")
  Fs.symlinkSync("x", `${at}/stays`)
  for (let count = 1; count <= links; count++) Fs.symlinkSync("/etc", `${at}/out${String(count).padStart(2, "0")}`)
  return ChildProcess.execFileSync("tar", ["--sort=name", "-cf", "-", "-C", at, "."])
}

const decode = Schema.decodeSync(Schema.parseJson(CpDocument))

const copying = (
  home: string,
  {
    code = 0,
    links = 0,
    said = "",
    ...over
  }: Partial<CpRequest> & {
    readonly links?: number
    readonly said?: string
    readonly code?: number
  } = {}
) =>
  Fixture.run(
    home,
    cp({
      direction: "out",
      bottle: "a",
      host: `${Fs.realpathSync(home)}/out`,
      guest: "/w",
      quiet: false,
      format: "text",
      ...over
    }),
    {
      bottles: Fixture.bottlesOf([], {
        find: () => Effect.succeed(foundOf(home, archiveOf(home, links), said, code))
      })
    }
  )

const live = (name: string, test: (home: string) => Effect.Effect<void>) =>
  it.live(name, () => Temp.withTempDir(test), 30_000)

describe("bottle cp", () => {
  live("says nothing where all went well", (home) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* copying(home), { code: 0, stdout: "", stderr: "" })
      assert.strictEqual(Fs.readFileSync(`${home}/out/stays`, "utf8"), "four")
    })
  )

  live("names the links that it left out, the first twenty of them, and what the guest said", (home) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* copying(home, { links: 23, said: "tar: \u001b[2Jx: socket ignored\n" })
      const lines = stderr.trimEnd().split("\n")
      assert.deepStrictEqual([code, stdout, lines.length], [0, "", 22])
      assert.strictEqual(lines[0], "bottle: left out the symbolic link out01: it is absolute")
      assert.strictEqual(lines[20], "bottle: left out 3 more symbolic links")
      assert.match(lines[21] ?? "", /^bottle: the guest says: tar: .*x: socket ignored$/)
      assert.notInclude(stderr, "\u001b")
    })
  )

  live("is quiet about that where it is asked to be, and not about what went wrong", (home) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* copying(home, { links: 2, quiet: true }), { code: 0, stdout: "", stderr: "" })
      Fs.rmSync(`${home}/made`, { recursive: true })
      const failed = yield* copying(home, { quiet: true, said: "tar: no\n", code: 2, host: `${home}/other` })
      assert.strictEqual(failed.code, 125)
      assert.match(failed.stderr, /^bottle: \/w could not be copied out of the guest: tar: no\ntry: /)
      assert.isFalse(Fs.existsSync(`${home}/other`))
    })
  )

  live("tells programs in one document", (home) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* copying(home, { links: 1, format: "json" })
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(decode(stdout).copied, {
        bottle: "a-abc12",
        direction: "out",
        kind: "directory",
        host: `${Fs.realpathSync(home)}/out`,
        guest: "/w",
        files: 1,
        directories: 0,
        links: 1,
        bytes: 4,
        leftOut: [{ path: "out01", reason: "it is absolute" }],
        words: null
      })
    })
  )
})
