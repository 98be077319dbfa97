import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { doubtOf } from "../src/internal/ownDirectory.js"

const isRoot = process.geteuid?.() === 0

/** Another user of this machine, where we may give something away. */
const OTHER = 12_345

const inDirectory = (use: (at: string) => void) => Temp.withTempDir((at) => Effect.sync(() => use(at)))

describe("a directory of ours alone", () => {
  it.live("is one that nobody else can write to, also through links", () =>
    inDirectory((at) => {
      Fs.mkdirSync(`${at}/a/b`, { recursive: true, mode: 0o755 })
      Fs.symlinkSync("a/b", `${at}/relative`)
      Fs.symlinkSync(`${at}/relative`, `${at}/absolute`)
      for (const path of [`${at}/a/b`, `${at}/a/../a//b/`, `${at}/relative`, `${at}/absolute`]) {
        assert.isNull(doubtOf(path), path)
      }
      Fs.chmodSync(`${at}/a/b`, 0o777)
      for (const path of [`${at}/a/b`, `${at}/relative`, `${at}/absolute`]) {
        assert.strictEqual(doubtOf(path), "everybody can write to it", path)
      }
    })
  )

  it.live("is below none in which everybody can rename it", () =>
    inDirectory((at) => {
      Fs.mkdirSync(`${at}/a/b/c`, { recursive: true })
      Fs.symlinkSync(`${at}/a/b/c`, `${at}/link`)
      Fs.chmodSync(`${at}/a`, 0o777)
      for (const path of [`${at}/a/b/c`, `${at}/link`])
        assert.strictEqual(doubtOf(path), `everybody can write to ${at}/a`)
      Fs.chmodSync(`${at}/a`, 0o1777)
      assert.isNull(doubtOf(`${at}/a/b/c`))
    })
  )

  it.live("is there, and is a directory", () =>
    inDirectory((at) => {
      Fs.writeFileSync(`${at}/file`, "")
      Fs.symlinkSync("loop", `${at}/loop`)
      assert.strictEqual(doubtOf(`${at}/file`), "it is no directory")
      assert.strictEqual(doubtOf(`${at}/missing`), "it cannot be looked at (ENOENT)")
      assert.strictEqual(doubtOf(`${at}/loop`), "it leads through too many symbolic links")
      assert.isNull(doubtOf(`/proc/self/root${at}`))
    })
  )

  it.live.runIf(isRoot)("is no other user's, and not below what another one has made where everybody may", () =>
    inDirectory((at) => {
      Fs.mkdirSync(`${at}/tmp/theirs/bottle`, { recursive: true })
      Fs.chmodSync(`${at}/tmp`, 0o1777)
      assert.isNull(doubtOf(`${at}/tmp/theirs/bottle`))
      Fs.chownSync(`${at}/tmp/theirs`, OTHER, OTHER)
      assert.strictEqual(doubtOf(`${at}/tmp/theirs/bottle`), `${at}/tmp/theirs is another user's (uid ${OTHER})`)
      // A home directory may be one that whoever made the container gave away.
      Fs.chmodSync(`${at}/tmp`, 0o755)
      assert.isNull(doubtOf(`${at}/tmp/theirs/bottle`))
      Fs.chownSync(`${at}/tmp/theirs/bottle`, OTHER, OTHER)
      assert.strictEqual(doubtOf(`${at}/tmp/theirs/bottle`), `it is another user's (uid ${OTHER})`)
      Fs.chownSync(`${at}/tmp/theirs/bottle`, 0, OTHER)
      Fs.chmodSync(`${at}/tmp/theirs/bottle`, 0o770)
      assert.strictEqual(doubtOf(`${at}/tmp/theirs/bottle`), `another group (gid ${OTHER}) can write to it`)
    })
  )
})
