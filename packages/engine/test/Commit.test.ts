import { Smolvm } from "@bottle/smolvm/Smolvm"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import { CommandFailed } from "@bottle/smolvm/SmolvmError"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import type { Bottle } from "../src/Bottle.js"
import { prove, Prover } from "../src/EgressProof.js"
import * as Launch from "../src/Launch.js"
import type { LaunchOptions } from "../src/LaunchOptions.js"
import { EgressUnproven } from "../src/ProofError.js"
import { proven } from "./fixtures/launching.js"
import * as Machines from "./fixtures/machines.js"
import { missing, note } from "./fixtures/proving.js"

const lacks = missing()
const bare: LaunchOptions = { source: { _tag: "Bare" } }

type Step = "stop" | "pack" | "start" | "proof"

/** What happens instead of a step of the commit; it is given the step as it is. */
type Instead = (step: Effect.Effect<unknown, SmolvmError>, output: string) => Effect.Effect<void, SmolvmError>

const failure = (reason: string): SmolvmError =>
  new CommandFailed({
    program: "smolvm-local",
    command: "machine",
    argv: [],
    exitCode: 1,
    stdout: "",
    stderr: `Error: ${reason}`
  })

/** A bottle whose steps may be other than they are, once it is launched. */
const inMachine = <A, E, R>(
  instead: Partial<Record<Step, Instead>>,
  use: (bottle: Bottle, directory: string) => Effect.Effect<A, E, R>,
  options: LaunchOptions = bare
) => {
  let isUp = false
  const over = <R2>(step: Step, real: Effect.Effect<void, SmolvmError, R2>, output = "") =>
    Effect.flatMap(Effect.context<R2>(), (context) => {
      const own = isUp ? instead[step] : undefined
      return own === undefined ? real : own(Effect.provide(real, context), output)
    })
  return Machines.withMachines(
    (directory) =>
      Effect.gen(function* () {
        const bottle = yield* Launch.bottle(options)
        isUp = true
        return yield* use(bottle, directory)
      }).pipe(
        Effect.provideService(Prover, {
          prove: (given) => Effect.zipRight(over("proof", Effect.void), prove(given))
        })
      ),
    (smolvm) => ({
      ...smolvm,
      machineStop: (given) => over("stop", smolvm.machineStop(given)),
      machineStart: (given) => over("start", smolvm.machineStart(given)),
      packCreateFromVm: (given) => over("pack", smolvm.packCreateFromVm(given), given.output)
    })
  )
}

const filesOf = (directory: string): ReadonlyArray<string> =>
  Fs.readdirSync(directory).filter((name) => !["cache", "state", "run", "machines"].includes(name))

const writeFile = (bottle: Bottle) => Machines.shell(bottle, "mkdir -p /kept && echo committed >/kept/file")

/** The bottle is as it was, and closed. */
const assertUp = (bottle: Bottle) =>
  Effect.gen(function* () {
    assert.strictEqual(
      yield* Machines.shell(bottle, "cat /kept/file; echo $http_proxy"),
      "committed\nhttp://127.0.0.1:3128"
    )
  })

const assertDown = (bottle: Bottle, directory: string) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(bottle.exec({ command: ["true"] }))
    assert.strictEqual(error._tag, "MachineLost")
    assert.strictEqual((yield* Effect.flip(bottle.died))._tag, "MachineLost")
    assert.strictEqual((yield* Effect.flip(bottle.commit({ output: `${directory}/other` })))._tag, "MachineLost")
    assert.deepStrictEqual(Fs.readdirSync(`${directory}/machines/machines`), [])
  })

describe.skipIf(lacks.length > 0)(`Bottle.commit${note(lacks)}`, { timeout: 60_000 }, () => {
  it.live("writes a pack that boots with the committed files and a proof of its own, and comes up again", () =>
    inMachine({}, (bottle, directory) =>
      Effect.gen(function* () {
        const output = `${directory}/made.smolmachine`
        yield* writeFile(bottle)
        yield* Machines.shell(bottle, "chmod 700 /kept/file")
        const { proof } = yield* bottle.commit({ output })
        assert.strictEqual(proof.outcome, "proven")
        assert.strictEqual(Fs.statSync(output).mode & 0o777, 0o600)
        assert.deepStrictEqual(filesOf(directory), ["made.smolmachine"])
        yield* assertUp(bottle)
        const second = yield* Launch.bottle({ source: { _tag: "Pack", path: output } })
        assert.strictEqual(second.proof.outcome, "proven")
        assert.strictEqual(yield* Machines.shell(second, "cat /kept/file; stat -c %a /kept/file"), "committed\n700")
        yield* Machines.shell(second, "echo other >/kept/file")
        yield* assertUp(bottle)
        yield* bottle.commit({ output: `${directory}/again.smolmachine` })
        yield* assertUp(bottle)
      })
    )
  )

  it.live("shows what the guest was refused, and nothing of what either proof was", () =>
    inMachine(
      {},
      (bottle, directory) =>
        Effect.gen(function* () {
          const ask = (host: string) =>
            bottle.exec({
              command: [
                "bash",
                "-c",
                `exec 3<>/dev/tcp/127.0.0.1/3128 && printf 'CONNECT ${host}:443 HTTP/1.1\\r\\nHost: ${host}:443\\r\\n\\r\\n' >&3 && head -1 <&3`
              ]
            })
          const live: Array<string | null> = []
          yield* Effect.forkScoped(
            Stream.runForEach(bottle.denials, ({ host }) => Effect.sync(() => void live.push(host)))
          )
          yield* ask("before.test")
          yield* bottle.commit({ output: `${directory}/made` })
          yield* ask("after.test")
          yield* waitUntil(
            Effect.sync(() => live.includes("after.test")),
            { boundMillis: 10_000 }
          )
          assert.deepStrictEqual(live, ["before.test", "after.test"])
          const late = yield* Stream.runCollect(Stream.take(bottle.denials, 2))
          assert.deepStrictEqual(
            [...late].map(({ host }) => host),
            ["before.test", "after.test"]
          )
        }),
      { ...bare, allow: ["allowed.test"] }
    )
  )

  it.live("is refused before anything happens, when it cannot be", () =>
    inMachine({ stop: () => Effect.dieMessage("it was stopped") }, (bottle, directory) =>
      Effect.gen(function* () {
        Fs.writeFileSync(`${directory}/there`, "")
        Fs.symlinkSync(`${directory}/nowhere`, `${directory}/link`)
        const reasonOf = (output: string) =>
          Effect.map(Effect.flip(bottle.commit({ output })), (error) =>
            error._tag === "CommitRefused" ? error.reason : error._tag
          )
        assert.strictEqual(yield* reasonOf("made"), "output-not-absolute")
        assert.strictEqual(yield* reasonOf(`${directory}/there`), "output-exists")
        assert.strictEqual(yield* reasonOf(`${directory}/link`), "output-exists")
        assert.strictEqual(yield* reasonOf(`${directory}/none/made`), "output-directory")
        const running = yield* Effect.fork(bottle.exec({ command: ["sh", "-c", "echo >/tmp/ready; sleep 7791"] }))
        yield* waitUntil(
          Effect.map(Machines.shell(bottle, "ls /tmp/ready"), (it) => it !== ""),
          { boundMillis: 10_000 }
        )
        assert.strictEqual(yield* reasonOf(`${directory}/made`), "busy")
        yield* Fiber.interrupt(running)
        assert.deepStrictEqual(filesOf(directory), ["link", "there"])
      })
    )
  )

  it.live("ends what runs when it is forced, and lets nothing run until it is proven again", () =>
    Effect.gen(function* () {
      const inPack = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const order: Array<string> = []
      const noted: (what: string) => Instead = (what) => (step) =>
        Effect.zipRight(
          Effect.sync(() => void order.push(what)),
          Effect.asVoid(step)
        )
      const pack: Instead = (step) =>
        Effect.asVoid(Effect.zipRight(Deferred.succeed(inPack, undefined), Effect.zipLeft(step, Deferred.await(goOn))))
      yield* inMachine({ pack, proof: noted("proof") }, (bottle, directory) =>
        Effect.gen(function* () {
          yield* writeFile(bottle)
          const running = yield* Effect.fork(bottle.exec({ command: ["sh", "-c", "echo >/kept/ready; sleep 7792"] }))
          yield* waitUntil(
            Effect.map(Machines.shell(bottle, "ls /kept/ready"), (it) => it !== ""),
            {
              boundMillis: 10_000
            }
          )
          const committing = yield* Effect.fork(bottle.commit({ output: `${directory}/made`, force: true }))
          yield* Deferred.await(inPack)
          assert.notStrictEqual((yield* Fiber.join(running)).exit.exitCode, 0)
          const waiting = yield* Effect.fork(
            Effect.tap(bottle.exec({ command: ["true"] }), () => Effect.sync(() => void order.push("exec")))
          )
          const second = yield* Effect.flip(bottle.commit({ output: `${directory}/other` }))
          assert.deepInclude(second, { _tag: "CommitRefused", reason: "committing" })
          yield* Deferred.succeed(goOn, undefined)
          yield* Fiber.join(committing)
          yield* Fiber.join(waiting)
          assert.deepStrictEqual(order, ["proof", "exec"])
          yield* assertUp(bottle)
        })
      )
    })
  )

  it.live("notes where the pack is made before anything is there", () =>
    Effect.gen(function* () {
      let noted = ""
      let made = ""
      const pack: Instead = (step, output) =>
        Effect.suspend(() => {
          made = output
          const ledger = `${output.split("/.made")[0]}/state/bottles`
          for (const name of Fs.readdirSync(ledger).filter((it) => !it.startsWith("."))) {
            noted += Fs.readFileSync(`${ledger}/${name}/ledger.jsonl`, "utf8")
          }
          return Effect.asVoid(step)
        })
      yield* inMachine({ pack }, (bottle, directory) =>
        Effect.gen(function* () {
          yield* bottle.commit({ output: `${directory}/made` })
          const partial = made.slice(0, made.lastIndexOf("/"))
          assert.include(noted, JSON.stringify(partial))
          // A recovery removes nothing that does not bear the id.
          assert.include(partial.split("/").at(-1), bottle.id)
        })
      )
    })
  )

  const half: Instead = (_, output) =>
    Effect.zipRight(
      Effect.sync(() => Fs.writeFileSync(`${output}.smolmachine`, "half")),
      Effect.fail(failure("no space left on device"))
    )
  const failed: Instead = () => Effect.fail(failure("it would not"))
  const failedAfter: Instead = (step) => Effect.zipRight(step, Effect.fail(failure("it did, and would not say so")))
  const unproven: Instead = () =>
    Effect.fail(new EgressUnproven({ machine: "m", reason: "no-answer", detail: "", record: proven(0) }) as never)
  const appears: Instead = (step, output) =>
    Effect.zipRight(
      step,
      Effect.sync(() => Fs.writeFileSync(output.replace(/\/\.made\..*$/, "/made"), "mine"))
    )

  for (const [what, instead, step, left] of [
    ["the stop fails", { stop: failed }, "stop", []],
    ["the stop fails after it was done", { stop: failedAfter }, "stop", []],
    ["the pack cannot be made", { pack: failed }, "pack", []],
    ["the disk is full", { pack: half }, "pack", []],
    ["the runtime makes no pack, and says that it did", { pack: () => Effect.void }, "place", []],
    ["something has come to be where the pack belongs", { pack: appears }, "place", ["made"]]
  ] as ReadonlyArray<readonly [string, Partial<Record<Step, Instead>>, Step, ReadonlyArray<string>]>) {
    it.live(`leaves the bottle up, and no pack, when ${what}`, () =>
      inMachine(instead, (bottle, directory) =>
        Effect.gen(function* () {
          yield* writeFile(bottle)
          const error = yield* Effect.flip(bottle.commit({ output: `${directory}/made` }))
          assert.deepInclude(error, { _tag: "CommitFailed", step, bottle: "up", isWritten: false })
          assert.deepStrictEqual(filesOf(directory), left)
          if (left.length > 0) assert.strictEqual(Fs.readFileSync(`${directory}/made`, "utf8"), "mine")
          yield* assertUp(bottle)
        })
      )
    )
  }

  for (const [what, instead, step] of [
    ["it does not start again", { start: failed }, "start"],
    ["it is not proven again", { proof: unproven }, "proof"]
  ] as ReadonlyArray<readonly [string, Partial<Record<Step, Instead>>, Step]>) {
    it.live(`leaves the bottle down, and the whole pack, when ${what}`, () =>
      inMachine(instead, (bottle, directory) =>
        Effect.gen(function* () {
          const output = `${directory}/made`
          yield* writeFile(bottle)
          const error = yield* Effect.flip(bottle.commit({ output }))
          assert.deepInclude(error, { _tag: "CommitFailed", step, bottle: "down", isWritten: true })
          assert.deepStrictEqual(filesOf(directory), ["made"])
          yield* assertDown(bottle, directory)
        })
      )
    )
  }

  for (const step of ["stop", "pack", "start", "proof"] as const) {
    const stopped = (reached: Deferred.Deferred<void>, goOn: Effect.Effect<void>): Partial<Record<Step, Instead>> => ({
      [step]: ((real) =>
        Effect.zipRight(
          Deferred.succeed(reached, undefined),
          Effect.asVoid(Effect.zipRight(goOn, real))
        )) satisfies Instead
    })

    it.live(`brings the bottle up again when it is given up in the step ${step}`, () =>
      Effect.gen(function* () {
        const reached = yield* Deferred.make<void>()
        const goOn = yield* Deferred.make<void>()
        // A pack takes as long as it takes; the rest is short.
        yield* inMachine(stopped(reached, step === "pack" ? Effect.never : Deferred.await(goOn)), (bottle, directory) =>
          Effect.gen(function* () {
            yield* writeFile(bottle)
            const fiber = yield* Effect.fork(bottle.commit({ output: `${directory}/made` }))
            yield* Deferred.await(reached)
            const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
            yield* Deferred.succeed(goOn, undefined)
            assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
            assert.deepStrictEqual(filesOf(directory), step === "stop" || step === "pack" ? [] : ["made"])
            yield* assertUp(bottle)
          })
        )
      })
    )

    it.live(`leaves nothing when the bottle goes down in the step ${step}`, () =>
      Effect.gen(function* () {
        const reached = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<Exit.Exit<unknown, unknown>>()
        yield* Machines.withMachines((directory) =>
          Effect.gen(function* () {
            const scope = yield* Scope.make()
            let isUp = false
            const hang = Effect.suspend(() =>
              isUp ? Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never) : Effect.void
            )
            const bottle = yield* Launch.bottle(bare).pipe(
              Scope.extend(scope),
              Effect.updateService(Smolvm, (smolvm) => ({
                ...smolvm,
                ...(step === "stop" ? { machineStop: () => hang } : {}),
                ...(step === "pack" ? { packCreateFromVm: () => hang } : {}),
                ...(step === "start"
                  ? { machineStart: (given) => Effect.zipRight(hang, smolvm.machineStart(given)) }
                  : {})
              })),
              Effect.provideService(Prover, {
                prove: (given) => (step === "proof" ? Effect.zipRight(hang, prove(given)) : prove(given))
              })
            )
            isUp = true
            yield* Effect.fork(
              Effect.onExit(bottle.commit({ output: `${directory}/made` }), (exit) => Deferred.succeed(ended, exit))
            )
            yield* Deferred.await(reached)
            yield* Scope.close(scope, Exit.void)
            const exit = yield* Deferred.await(ended)
            assert.isTrue(Exit.isFailure(exit))
            assert.deepStrictEqual(filesOf(directory), step === "stop" || step === "pack" ? [] : ["made"])
          })
        )
      })
    )
  }
})
