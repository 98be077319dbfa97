import * as Temp from "@bottle/testing/Temp"
import type * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as fc from "fast-check"
import * as Fs from "node:fs"
import { isAllowed } from "../src/internal/ledger/state.js"
import * as Ledger from "../src/Ledger.js"
import { as, directoriesIn, planIn, type StandIn, standIn, withFiles } from "./fixtures/ledgers.js"

// What a bottle can be and become, said a second time and in the plainest way: a list of lines, of which some were
// damaged. Each command does one thing to it and to the real ledger, and then both must say the same of every bottle.

type Who = "owner" | "recoverer"

interface ModelLine {
  readonly state: Ledger.BottleState
  readonly by: Who
  readonly pid: number
  isDamaged: boolean
}

interface ModelBottle {
  readonly id: string
  readonly name: string | null
  readonly lines: Array<ModelLine>
  /** What its owner has done, whatever became of the lines. */
  state: Ledger.BottleState | "gone"
  isOwnerAlive: boolean
  hasFailed: boolean
  isKept: boolean
  /** Half a line at the end, that the next one turns into a damaged one. */
  isTorn: boolean
}

interface Model {
  readonly bottles: Array<ModelBottle>
  readonly names: Map<string, ModelBottle>
}

interface RealBottle {
  readonly suffix: string
  readonly owner: StandIn
  readonly scope: Scope.CloseableScope
  readonly ledger: Ledger.OwnLedger
}

interface Real {
  readonly directory: string
  readonly scope: Scope.Scope
  readonly bottles: Array<RealBottle>
  readonly run: <A, E>(effect: Effect.Effect<A, E, FileSystem.FileSystem>) => Promise<A>
}

/** What can be read of the lines. */
const readable = (bottle: ModelBottle) => bottle.lines.filter(({ isDamaged }) => !isDamaged)

const stateOf = (bottle: ModelBottle): Ledger.BottleState => readable(bottle).at(-1)?.state ?? "launching"

const claimIsReadable = (bottle: ModelBottle): boolean => bottle.lines[0]?.isDamaged === false

const holderOf = (bottle: ModelBottle): ModelLine | null => {
  const state = stateOf(bottle)
  if (state === "left" || state === "kept") return null
  const who: Who = state === "recovering" ? "recoverer" : "owner"
  return readable(bottle).findLast(({ by }) => by === who) ?? null
}

const livenessOf = (bottle: ModelBottle): Ledger.Liveness => {
  const state = stateOf(bottle)
  if (state === "left" || state === "kept") return "dead"
  const holder = holderOf(bottle)
  if (holder === null) return "unknown"
  return holder.by === "owner" && bottle.isOwnerAlive ? "alive" : "dead"
}

const isOpen = (bottle: ModelBottle): boolean =>
  bottle.isOwnerAlive && (bottle.state === "launching" || bottle.state === "up" || bottle.state === "closing")

/** Whether a bottle still has its name: one that is gone has it only between the name and the ledger, or left it. */
const usesName = (bottle: ModelBottle): boolean => {
  if (bottle.state === "gone") return bottle.isOwnerAlive
  const state = stateOf(bottle)
  return state !== "left" && state !== "kept" && livenessOf(bottle) !== "dead"
}

const write = (bottle: ModelBottle, state: Ledger.BottleState, by: Who, pid: number): void => {
  if (bottle.isTorn) {
    // The half that was there is a line of its own now, and says nothing.
    bottle.isTorn = false
    bottle.lines.push({ state, by, pid, isDamaged: true })
  }
  bottle.lines.push({ state, by, pid, isDamaged: false })
}

const ledgerOf = (real: Real, { suffix }: RealBottle): string => `${planIn(real.directory, suffix).ledger}/ledger.jsonl`

const agree = async (model: Model, real: Real): Promise<void> => {
  const directories = directoriesIn(real.directory)
  const views = await real.run(Ledger.list(directories))
  const living = model.bottles.filter(({ state }) => state !== "gone")
  assert.sameMembers(
    views.map(({ id }) => `${id}`),
    living.map(({ id }) => id)
  )
  for (const bottle of living) {
    const view = views.find(({ id }) => id === bottle.id)
    if (view === undefined) return assert.fail(bottle.id)
    assert.strictEqual(view.state, stateOf(bottle))
    assert.strictEqual(view.damaged, bottle.lines.filter(({ isDamaged }) => isDamaged).length)
    assert.strictEqual(view.claim !== null, claimIsReadable(bottle))
    assert.strictEqual(view.holder?.identity.pid ?? null, holderOf(bottle)?.pid ?? null)
    assert.strictEqual(await real.run(Ledger.liveness(view)), livenessOf(bottle))
  }
  for (const name of NAMES) {
    const id = Option.getOrNull(await real.run(Ledger.named(directories, name)))
    assert.strictEqual(id, model.names.get(name)?.id ?? null)
  }
}

type Command = fc.AsyncCommand<Model, Real>

const NAMES = ["red", "blue"]

let claims = 0

const claim = (name: string | null): Command => ({
  check: () => true,
  toString: () => `claim(${name ?? "no name"})`,
  run: async (model, real) => {
    claims += 1
    const suffix = claims.toString(36).padStart(5, "0")
    const plan = planIn(real.directory, suffix)
    const other = name === null ? undefined : model.names.get(name)
    const owner = await real.run(Scope.extend(standIn, real.scope))
    const scope = await real.run(Scope.make())
    const claimed = await real.run(
      Ledger.claim(plan, { name: name ?? undefined }).pipe(as(owner), Scope.extend(scope), Effect.either)
    )
    if (other !== undefined && usesName(other)) {
      assert.strictEqual(claimed._tag, "Left")
      if (claimed._tag === "Left") assert.deepInclude(claimed.left, { _tag: "NameTaken", id: other.id })
    } else {
      if (claimed._tag === "Left") return assert.fail(claimed.left.message)
      const bottle: ModelBottle = {
        id: plan.id,
        name,
        lines: [],
        state: "launching",
        isOwnerAlive: true,
        hasFailed: false,
        isKept: false,
        isTorn: false
      }
      write(bottle, "launching", "owner", owner.owner.identity.pid)
      model.bottles.push(bottle)
      if (name !== null) model.names.set(name, bottle)
      real.bottles.push({ suffix, owner, scope, ledger: claimed.right })
    }
    await agree(model, real)
  }
})

/** What is done to a bottle, and what for it can be done. */
interface Deed {
  readonly words: string
  /** Which of the bottles there have been, from the newest on. */
  readonly pick: number
  readonly can: (bottle: ModelBottle) => boolean
  readonly act: (bottle: ModelBottle, itself: RealBottle, real: Real, model: Model) => Promise<void>
}

const deed = ({ act, can, pick, words }: Deed): Command => {
  const indexIn = (model: Model) => model.bottles.length - 1 - (pick % model.bottles.length)
  return {
    toString: () => `${words} of ${pick}`,
    check: (model) => {
      const bottle = model.bottles[indexIn(model)]
      return bottle !== undefined && can(bottle)
    },
    run: async (model, real) => {
      const index = indexIn(model)
      const [bottle, itself] = [model.bottles[index], real.bottles[index]]
      if (bottle === undefined || itself === undefined) return assert.fail("there is no such bottle")
      await act(bottle, itself, real, model)
      await agree(model, real)
    }
  }
}

/** A note that may not follow what there is must change nothing. */
const note = (pick: number, state: "up" | "closing"): Command =>
  deed({
    words: state,
    pick,
    can: isOpen,
    act: async (bottle, { ledger, owner }, real) => {
      await real.run(state === "up" ? ledger.up : ledger.closing)
      if (bottle.state === "gone" || !isAllowed(bottle.state, state)) return
      bottle.state = state
      write(bottle, state, "owner", owner.owner.identity.pid)
    }
  })

const fail = (pick: number): Command =>
  deed({
    words: "failure",
    pick,
    can: isOpen,
    act: async (bottle, { ledger }, real) => {
      await real.run(ledger.failed({ resource: "r", reason: "no", suggestion: "rm" }))
      bottle.hasFailed = true
    }
  })

const keep = (pick: number): Command =>
  deed({
    words: "keeping",
    pick,
    can: isOpen,
    act: async (bottle, { ledger }, real) => {
      await real.run(ledger.kept)
      bottle.isKept = true
    }
  })

/** The owner's scope closes. */
const close = (pick: number): Command =>
  deed({
    words: "close",
    pick,
    can: isOpen,
    act: async (bottle, { owner, scope }, real, model) => {
      await real.run(Scope.close(scope, Exit.void))
      const { pid } = owner.owner.identity
      const unkept = bottle.hasFailed ? "left" : "gone"
      const last = bottle.isKept ? "kept" : unkept
      if (last !== "gone") {
        if (bottle.state !== "closing") write(bottle, "closing", "owner", pid)
        write(bottle, last, "owner", pid)
      }
      bottle.state = last
      if (bottle.name !== null && model.names.get(bottle.name) === bottle) model.names.delete(bottle.name)
    }
  })

/** Its owner is killed, whatever it was about. */
const kill = (pick: number): Command =>
  deed({
    words: "kill",
    pick,
    can: ({ isOwnerAlive }) => isOwnerAlive,
    act: async (bottle, { owner }, real) => {
      await real.run(owner.kill)
      bottle.isOwnerAlive = false
    }
  })

/** It was killed while it wrote. */
const tear = (pick: number, chars: number): Command =>
  deed({
    words: `tear ${chars}`,
    pick,
    can: ({ isOwnerAlive, isTorn, state }) => state !== "gone" && !isOwnerAlive && !isTorn,
    act: async (bottle, itself, real) => {
      const path = ledgerOf(real, itself)
      const [first = ""] = Fs.readFileSync(path, "utf8").split("\n")
      Fs.appendFileSync(path, first.slice(0, 1 + (chars % (first.length - 1))))
      bottle.isTorn = true
    }
  })

/** A byte of a line is no longer what was written. */
const damage = (pick: number, line: number, byte: number): Command =>
  deed({
    words: `damage ${line} ${byte}`,
    pick,
    can: (bottle) => bottle.state !== "gone" && readable(bottle).length > 0,
    act: async (bottle, itself, real) => {
      const index = line % bottle.lines.length
      const path = ledgerOf(real, itself)
      const lines = Fs.readFileSync(path, "latin1").split("\n")
      const text = lines[index] ?? ""
      const at = byte % text.length
      lines[index] = `${text.slice(0, at)}${text[at] === "#" ? "%" : "#"}${text.slice(at + 1)}`
      Fs.writeFileSync(path, lines.join("\n"), "latin1")
      const hurt = bottle.lines[index]
      if (hurt !== undefined) hurt.isDamaged = true
    }
  })

type Outcome = "closed" | "left" | "interrupted" | "killed"

/** Why a bottle cannot be recovered; `null` where it can. */
const refusalOf = (bottle: ModelBottle, options: Ledger.RecoveringOptions): string | null => {
  if (bottle.state === "gone") return "LedgerGone"
  if (stateOf(bottle) === "kept" && options.kept !== true) return "BottleKept"
  const lines = readable(bottle)
  if (lines.some((line) => line.by === "owner" && (line.state === "left" || line.state === "kept"))) return null
  const isKnown = lines.some(({ by }) => by === "owner")
  if (isKnown && bottle.isOwnerAlive) return "OwnerAlive"
  if (isKnown || lines.some(({ by }) => by === "recoverer")) return null
  return options.unknown === true ? null : "OwnerUnknown"
}

/** Two want to recover it at once, of whom one is always told to wait; and how that ends. */
const recover = (pick: number, outcome: Outcome, options: Ledger.RecoveringOptions): Command =>
  deed({
    words: `recover ${outcome} ${JSON.stringify(options)}`,
    pick,
    can: () => true,
    act: async (bottle, { suffix }, real, model) => {
      const plan = planIn(real.directory, suffix)
      const view = { id: plan.id, directory: plan.ledger }
      const recoverer = await real.run(Scope.extend(standIn, real.scope))
      const scopes = await real.run(Effect.all([Scope.make(), Scope.make()]))
      const [first, second] = await real.run(
        Effect.forEach(
          scopes,
          (scope) => Effect.either(Ledger.recovering(view, options).pipe(as(recoverer), Scope.extend(scope))),
          { concurrency: "unbounded" }
        )
      )
      if (first === undefined || second === undefined) return assert.fail("two were to try")
      const refusal = refusalOf(bottle, options)
      if (refusal !== null) {
        const told = [first, second].map((tried) => (tried._tag === "Left" ? tried.left._tag : "recovered"))
        // On a busy machine the look of the one may take longer than the other waits.
        assert.include(told, refusal)
        for (const tag of told) assert.include([refusal, "LedgerBusy"], tag)
        return real.run(recoverer.kill)
      }
      const [winner, loser] = first._tag === "Right" ? [first, second] : [second, first]
      if (winner._tag === "Left") return assert.fail(winner.left.message)
      assert.strictEqual(loser._tag === "Left" ? loser.left._tag : "recovered", "LedgerBusy")
      const { pid } = recoverer.owner.identity
      write(bottle, "recovering", "recoverer", pid)
      bottle.state = "recovering"
      if (outcome === "killed") {
        // Its lock is in our name, and it is to be a dead one's.
        Fs.writeFileSync(`${plan.ledger}/lock`, JSON.stringify(recoverer.owner.identity))
        return real.run(recoverer.kill)
      }
      if (outcome === "closed") await real.run(winner.right.closed)
      if (outcome === "left") await real.run(winner.right.left([]))
      await real.run(Effect.forEach(scopes, (scope) => Scope.close(scope, Exit.void), { discard: true }))
      if (outcome === "closed") {
        // Nobody knows the name of a bottle whose claim cannot be read, and the next one who wants it takes it over.
        const name = claimIsReadable(bottle) ? bottle.name : null
        bottle.state = "gone"
        if (name !== null && model.names.get(name) === bottle) model.names.delete(name)
      } else {
        write(bottle, "left", "recoverer", pid)
        bottle.state = "left"
      }
      await real.run(recoverer.kill)
    }
  })

const pick = fc.nat({ max: 3 })
const flag = fc.constantFrom(undefined, true)

const commands = fc.commands(
  [
    fc.option(fc.constantFrom(...NAMES)).map(claim),
    fc.tuple(pick, fc.constantFrom("up" as const, "closing" as const)).map((args) => note(...args)),
    pick.map(fail),
    pick.map(keep),
    pick.map(close),
    pick.map(kill),
    fc.tuple(pick, fc.nat()).map((args) => tear(...args)),
    fc.tuple(pick, fc.nat(), fc.nat()).map((args) => damage(...args)),
    fc
      .tuple(
        pick,
        fc.constantFrom("closed" as const, "left" as const, "interrupted" as const, "killed" as const),
        fc.record({ kept: flag, unknown: flag })
      )
      .map((args) => recover(...args))
  ],
  { maxCommands: 40, size: "max" }
)

const runModel = (sequence: Iterable<Command>) =>
  withFiles(
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const runtime = yield* Effect.runtime<FileSystem.FileSystem>()
        const scope = yield* Effect.scope
        const setup = () => ({
          model: { bottles: [], names: new Map() },
          real: { directory, scope, bottles: [], run: Runtime.runPromise(runtime) }
        })
        yield* Effect.promise(() => fc.asyncModelRun(setup, sequence))
      })
    )
  )

/** More of them find what is rarer: docs/internals/ledger.md. */
const RUNS = Number(process.env["BOTTLE_MODEL_RUNS"] ?? "25")

describe("a ledger and a list of lines", () => {
  it("say the same of every bottle, whatever happens to them", { timeout: 60_000 + RUNS * 5000 }, () =>
    fc.assert(
      fc.asyncProperty(commands, (sequence) => Effect.runPromise(runModel(sequence))),
      { numRuns: RUNS }
    )
  )
})
