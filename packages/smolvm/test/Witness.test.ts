import * as Wait from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Witness from "../src/Witness.js"
import { environment, running, seconds, type Shell, shells, words } from "./fixtures/shells.js"

interface Given {
  readonly input?: string | Uint8Array
  readonly path?: string
}

/** Runs an exec's words to their end. */
const run = (shell: Shell, place: string, command: ReadonlyArray<string>, given: Given = {}) => {
  const [program = "", ...args] = words(shell, command)
  const ended = ChildProcess.spawnSync(program, args, {
    input: given.input ?? "",
    timeout: 30_000,
    killSignal: "SIGKILL",
    env: { ...environment(place), ...(given.path === undefined ? {} : { PATH: given.path }) }
  })
  return { code: ended.status, stdout: ended.stdout, stderr: ended.stderr.toString() }
}

const withPlace = (use: (place: string) => Effect.Effect<void>) => () =>
  Effect.acquireUseRelease(Effect.sync(Witness.place), use, (place) =>
    Effect.sync(() => {
      Fs.rmSync(place, { force: true })
      Fs.rmSync(`${place}.in`, { force: true })
    })
  )

/** A directory with the programs that a test's command needs, and a `sleep` of its own. */
const withPrograms = (sleep: string | undefined, use: (path: string) => void): void => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "witness-"))
  try {
    if (sleep !== undefined) Fs.writeFileSync(Path.join(directory, "sleep"), sleep, { mode: 0o755 })
    for (const program of ["cat", "true"]) Fs.symlinkSync(`/bin/${program}`, Path.join(directory, program))
    use(directory)
  } finally {
    Fs.rmSync(directory, { recursive: true, force: true })
  }
}

const answer = (shell: Shell, place: string): string => run(shell, place, Witness.read(place)).stdout.toString()

/** More than an exec that is not watched could take, where a watch is not to come into it. */
const LONG = 8_000_000

for (const shell of shells) {
  for (const [how, options] of [
    ["unbounded", {}],
    ["bounded", { timeoutMillis: LONG }]
  ] as const) {
    describe(`a witness (${shell.name}, ${how})`, () => {
      for (const code of [1, 2, 42, 124, 255]) {
        it.effect(
          `writes down that its command ended with ${code}, and ends so itself`,
          withPlace((place) =>
            Effect.sync(() => {
              const wrapped = Witness.wrap(place, ["/bin/sh", "-c", `exit ${code}`], options)
              assert.deepInclude(run(shell, place, wrapped), { code, stderr: "" })
              assert.strictEqual(answer(shell, place), String(code))
              assert.strictEqual(answer(shell, place), "")
            })
          )
        )
      }

      it.effect(
        "leaves nothing of a success, and neither adds to its output nor takes from its input",
        withPlace((place) =>
          Effect.sync(() => {
            const input = Buffer.from([0, 255, 10, 13, 0, 128, 37])
            const ended = run(shell, place, Witness.wrap(place, ["cat"], options), { input })
            assert.deepStrictEqual(ended, { code: 0, stdout: input, stderr: "" })
            assert.isFalse(Fs.existsSync(place))
            assert.deepStrictEqual(running(place), [])
          })
        )
      )

      it.effect(
        "writes through no link that somebody has put where it writes, and over nothing",
        withPlace((place) =>
          Effect.sync(() => {
            const other = `${place}-other`
            const put = (how: string) => `${how}; exit 3`
            try {
              for (const how of [`echo theirs >${other}; ln -s ${other} ${place}`, `echo theirs >${place}`]) {
                const ended = run(shell, place, Witness.wrap(place, ["/bin/sh", "-c", put(how)], options))
                assert.deepInclude(ended, { code: 3, stderr: "" })
                assert.strictEqual(Fs.readFileSync(other, "utf8"), "theirs\n")
                assert.isTrue(Fs.lstatSync(place).isFile())
                assert.strictEqual(answer(shell, place), "3")
              }
            } finally {
              Fs.rmSync(other, { force: true })
            }
          })
        )
      )

      it.effect(
        "says nothing of its own where it cannot write",
        withPlace((place) =>
          Effect.sync(() => {
            try {
              const command = ["/bin/sh", "-c", `mkdir ${place}; exit 3`]
              assert.deepInclude(run(shell, place, Witness.wrap(place, command, options)), { code: 3, stderr: "" })
              assert.strictEqual(answer(shell, place), "")
            } finally {
              Fs.rmSync(place, { recursive: true, force: true })
            }
          })
        )
      )

      it.effect(
        "gives its command the words as they are, the signals as they were, and an exit by signal its number",
        withPlace((place) =>
          Effect.sync(() => {
            const wrapped = (...command: ReadonlyArray<string>) =>
              run(shell, place, Witness.wrap(place, command, options))
            assert.strictEqual(wrapped("printf", "%s|", "a b", "", "$(x)").stdout.toString(), "a b||$(x)|")
            assert.match(wrapped("grep", "SigIgn", "/proc/self/status").stdout.toString(), /^SigIgn:\s+0000000000\d{6}/)
            assert.strictEqual(wrapped("/bin/sh", "-c", "kill -TERM $$").code, 143)
            assert.strictEqual(answer(shell, place), "143")
            assert.strictEqual(wrapped("/no/such/program").code, 127)
            assert.strictEqual(answer(shell, place), "127")
          })
        )
      )
    })
  }

  describe(`a witness with a bound (${shell.name})`, () => {
    it.effect(
      "kills an overdue command and what has its mark, and says so",
      withPlace((place) =>
        Effect.sync(() => {
          const time = seconds()
          const tree = `trap '' TERM; setsid sleep ${time} & sh -c 'sleep ${time} & exit'; sleep ${time}; :`
          const wrapped = Witness.wrap(place, ["/bin/sh", "-c", tree], { timeoutMillis: 300 })
          assert.strictEqual(run(shell, place, wrapped).code, 124)
          assert.strictEqual(answer(shell, place), Witness.OVERDUE)
          assert.deepStrictEqual(running(time), [])
        })
      )
    )

    it.effect(
      "kills nothing beside it",
      withPlace((place) =>
        Effect.acquireUseRelease(
          Effect.sync(() => ChildProcess.spawn("sleep", [seconds()], { env: environment(Witness.place()) })),
          (other) =>
            Effect.sync(() => {
              const wrapped = Witness.wrap(place, ["sleep", seconds()], { timeoutMillis: 50 })
              assert.strictEqual(run(shell, place, wrapped).code, 124)
              assert.strictEqual(other.exitCode, null)
              assert.strictEqual(running(String(other.spawnargs[1])).length, 1)
            }),
          (other) => Effect.sync(() => other.kill("SIGKILL"))
        )
      )
    )

    it.effect(
      "takes whole seconds where the guest's sleep takes no others",
      withPlace((place) =>
        Effect.sync(() =>
          withPrograms(`#!/bin/sh\ncase $1 in *.*) exit 1 ;; *) exec /bin/sleep "$1" ;; esac\n`, (path) => {
            const wrapped = Witness.wrap(place, ["/bin/sleep", seconds()], { timeoutMillis: 200 })
            assert.strictEqual(run(shell, place, wrapped, { path }).code, 124)
          })
        )
      )
    )

    it.effect(
      "does not kill where the guest has no sleep",
      withPlace((place) =>
        Effect.sync(() =>
          withPrograms(undefined, (path) => {
            const wrapped = Witness.wrap(place, ["/bin/sh", "-c", "/bin/sleep 0.5; exit 3"], { timeoutMillis: 50 })
            assert.strictEqual(run(shell, place, wrapped, { path }).code, 3)
          })
        )
      )
    )

    it.effect(
      "ends its watch with its command, however soon that comes",
      withPlace((place) =>
        Effect.sync(() => {
          const time = 8_000_000 + (process.pid % 997)
          const codes = Array.from({ length: 60 }, (_, at) => {
            const command = at % 2 === 0 ? ["true"] : ["/bin/sh", "-c", "exit 9"]
            return run(shell, place, Witness.wrap(place, command, { timeoutMillis: time * 1000 })).code
          })
          assert.deepStrictEqual([...new Set(codes)], [0, 9])
          assert.deepStrictEqual(running(String(time)), [])
        })
      )
    )

    it.scopedLive("kills nothing when it has been killed itself before", () =>
      Effect.gen(function* () {
        const place = Witness.place()
        const time = seconds()
        const [program = "", ...args] = words(shell, Witness.wrap(place, ["sleep", time], { timeoutMillis: 1500 }))
        const child = ChildProcess.spawn(program, args, { stdio: "ignore", env: environment(place) })
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => ChildProcess.spawnSync("kill", ["-KILL", ...running(time)], { stdio: "ignore" }))
        )
        // The witness and its watch have the same words, and the command is one more.
        yield* Wait.waitUntil(
          Effect.sync(() => running(time).length === 3),
          { boundMillis: 10_000, what: "the command and its watch" }
        )
        child.kill("SIGKILL")
        yield* Wait.waitUntil(
          Effect.sync(() => running(time).length === 1),
          { boundMillis: 10_000, what: "the end of the watch" }
        )
        assert.deepStrictEqual(running(place), [])
      })
    )
  })

  describe(`staged input (${shell.name})`, () => {
    it.effect(
      "is read in the order in which it came, and nothing of it is left",
      withPlace((place) =>
        Effect.sync(() => {
          const pieces = [Buffer.alloc(0), Buffer.from([1, 0, 255]), Buffer.alloc(300_000, 7), Buffer.from("end")]
          pieces.forEach((input, at) => {
            const staging = Witness.stage(place, { isFirst: at === 0 })
            assert.strictEqual(run(shell, place, staging, { input }).code, 0)
          })
          assert.strictEqual(Fs.statSync(`${place}.in`).mode & 0o777, 0o600)
          const wrapped = Witness.wrap(place, ["cat"], { isStaged: true })
          const ended = run(shell, place, wrapped, { input: "not this" })
          assert.deepInclude(ended, { code: 0, stderr: "" })
          assert.isTrue(Buffer.concat(pieces).equals(ended.stdout))
          assert.isFalse(Fs.existsSync(`${place}.in`))
        })
      )
    )

    it.effect(
      "is not put where somebody else has put something, and can be removed unread",
      withPlace((place) =>
        Effect.sync(() => {
          const input = "secret"
          const first = () => run(shell, place, Witness.stage(place, { isFirst: true }), { input })
          Fs.writeFileSync(`${place}.in`, "theirs", { mode: 0o644 })
          assert.notStrictEqual(first().code, 0)
          assert.strictEqual(Fs.readFileSync(`${place}.in`, "utf8"), "theirs")
          Fs.rmSync(`${place}.in`)
          Fs.symlinkSync(`${place}.elsewhere`, `${place}.in`)
          assert.notStrictEqual(first().code, 0)
          assert.isFalse(Fs.existsSync(`${place}.elsewhere`))
          assert.strictEqual(run(shell, place, Witness.unstage(place)).code, 0)
          assert.strictEqual(first().code, 0)
          assert.strictEqual(Fs.readFileSync(`${place}.in`, "utf8"), input)
        })
      )
    )

    it.effect(
      "is not left out in silence where it is missing",
      withPlace((place) =>
        Effect.sync(() => {
          const wrapped = Witness.wrap(place, ["echo", "began"], { isStaged: true, timeoutMillis: LONG })
          const ended = run(shell, place, wrapped)
          assert.strictEqual(ended.code, 2)
          assert.strictEqual(ended.stdout.toString(), "")
          assert.isFalse(Fs.existsSync(place))
        })
      )
    )
  })

  it.effect(
    `a probe is read as a code is (${shell.name})`,
    withPlace((place) =>
      Effect.sync(() => {
        assert.strictEqual(run(shell, place, Witness.probe(place)).code, 0)
        assert.strictEqual(answer(shell, place), "1")
      })
    )
  )
}

describe("a place", () => {
  it("is one of its own each time, and nothing else is taken for one", () => {
    assert.notStrictEqual(Witness.place(), Witness.place())
    assert.isTrue(Witness.isPlace(Witness.place()))
    for (const word of ["", "/tmp/x", `${Witness.place()}/..`, `${Witness.place()}\n`, "/tmp/.bottle-exit-$(reboot)"]) {
      assert.isFalse(Witness.isPlace(word))
    }
  })
})
