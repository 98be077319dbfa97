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

const ledgerOf = (real: Real, index: number): string =>
  `${planIn(real.directory, real.bottles[index]?.suffix ?? "").ledger}/ledger.jsonl`

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

class Claim implements Command {
  constructor(readonly name: string | null) {}
  check = () => true
  run = async (model: Model, real: Real) => {
    claims += 1
    const suffix = claims.toString(36).padStart(5, "0")
    const plan = planIn(real.directory, suffix)
    const other = this.name === null ? undefined : model.names.get(this.name)
    const owner = await real.run(Scope.extend(standIn, real.scope))
    const scope = await real.run(Scope.make())
    const claimed = await real.run(
      Ledger.claim(plan, { name: this.name ?? undefined }).pipe(as(owner), Scope.extend(scope), Effect.either)
    )
    if (other !== undefined && usesName(other)) {
      assert.strictEqual(claimed._tag, "Left")
      if (claimed._tag === "Left") assert.deepInclude(claimed.left, { _tag: "NameTaken", id: other.id })
    } else {
      if (claimed._tag === "Left") return assert.fail(claimed.left.message)
      const bottle: ModelBottle = {
        id: plan.id,
        name: this.name,
        lines: [],
        state: "launching",
        isOwnerAlive: true,
        hasFailed: false,
        isKept: false,
        isTorn: false
      }
      write(bottle, "launching", "owner", owner.owner.identity.pid)
      model.bottles.push(bottle)
      if (this.name !== null) model.names.set(this.name, bottle)
      real.bottles.push({ suffix, owner, scope, ledger: claimed.right })
    }
    await agree(model, real)
  }
  toString = () => `claim(${this.name ?? "no name"})`
}

/** One of the bottles there have been, the newest most often. */
abstract class OnBottle implements Command {
  constructor(readonly pick: number) {}
  abstract readonly verb: string
  abstract can(bottle: ModelBottle): boolean
  abstract act(bottle: ModelBottle, it: RealBottle, real: Real, model: Model): Promise<void>
  indexIn = (model: Model): number => model.bottles.length - 1 - (this.pick % model.bottles.length)
  check = (model: Readonly<Model>): boolean => {
    const bottle = model.bottles[this.indexIn(model)]
    return bottle !== undefined && this.can(bottle)
  }
  run = async (model: Model, real: Real) => {
    const index = this.indexIn(model)
    const [bottle, itself] = [model.bottles[index], real.bottles[index]]
    if (bottle === undefined || itself === undefined) return assert.fail("there is no such bottle")
    await this.act(bottle, itself, real, model)
    await agree(model, real)
  }
  toString = () => `${this.verb}(${this.pick})`
}

/** A note that may not follow what there is must change nothing. */
class Note extends OnBottle {
  constructor(
    pick: number,
    readonly state: "up" | "closing"
  ) {
    super(pick)
  }
  verb = "note"
  can = isOpen
  act = async (bottle: ModelBottle, { ledger, owner }: RealBottle, real: Real) => {
    await real.run(this.state === "up" ? ledger.up : ledger.closing)
    if (bottle.state === "gone" || !isAllowed(bottle.state, this.state)) return
    bottle.state = this.state
    write(bottle, this.state, "owner", owner.owner.identity.pid)
  }
  override toString = () => `${this.state}(${this.pick})`
}

class Fail extends OnBottle {
  verb = "fail"
  can = isOpen
  act = async (bottle: ModelBottle, { ledger }: RealBottle, real: Real) => {
    await real.run(ledger.failed({ resource: "r", reason: "no", suggestion: "rm" }))
    bottle.hasFailed = true
  }
}

class Keep extends OnBottle {
  verb = "keep"
  can = isOpen
  act = async (bottle: ModelBottle, { ledger }: RealBottle, real: Real) => {
    await real.run(ledger.kept)
    bottle.isKept = true
  }
}

/** The owner's scope closes. */
class Close extends OnBottle {
  verb = "close"
  can = isOpen
  act = async (bottle: ModelBottle, { owner, scope }: RealBottle, real: Real, model: Model) => {
    await real.run(Scope.close(scope, Exit.void))
    const { pid } = owner.owner.identity
    const last = bottle.isKept ? "kept" : bottle.hasFailed ? "left" : "gone"
    if (last !== "gone") {
      if (bottle.state !== "closing") write(bottle, "closing", "owner", pid)
      write(bottle, last, "owner", pid)
    }
    bottle.state = last
    if (bottle.name !== null && model.names.get(bottle.name) === bottle) model.names.delete(bottle.name)
  }
}

/** Its owner is killed, whatever it was about. */
class Kill extends OnBottle {
  verb = "kill"
  can = (bottle: ModelBottle) => bottle.isOwnerAlive
  act = async (bottle: ModelBottle, { owner }: RealBottle, real: Real) => {
    await real.run(owner.kill)
    bottle.isOwnerAlive = false
  }
}

/** It was killed while it wrote. */
class Tear extends OnBottle {
  constructor(
    pick: number,
    readonly chars: number
  ) {
    super(pick)
  }
  verb = "tear"
  can = (bottle: ModelBottle) => bottle.state !== "gone" && !bottle.isOwnerAlive && !bottle.isTorn
  act = async (bottle: ModelBottle, _: RealBottle, real: Real, model: Model) => {
    const path = ledgerOf(real, this.indexIn(model))
    const [first = ""] = Fs.readFileSync(path, "utf8").split("\n")
    Fs.appendFileSync(path, first.slice(0, 1 + (this.chars % (first.length - 1))))
    bottle.isTorn = true
  }
}

/** A byte of a line is no longer what was written. */
class Damage extends OnBottle {
  constructor(
    pick: number,
    readonly line: number,
    readonly at: number
  ) {
    super(pick)
  }
  verb = "damage"
  can = (bottle: ModelBottle) => bottle.state !== "gone" && readable(bottle).length > 0
  act = async (bottle: ModelBottle, _: RealBottle, real: Real, model: Model) => {
    const index = this.line % bottle.lines.length
    const path = ledgerOf(real, this.indexIn(model))
    const lines = Fs.readFileSync(path, "latin1").split("\n")
    const line = lines[index] ?? ""
    const at = this.at % line.length
    lines[index] = `${line.slice(0, at)}${line[at] === "#" ? "%" : "#"}${line.slice(at + 1)}`
    Fs.writeFileSync(path, lines.join("\n"), "latin1")
    const hurt = bottle.lines[index]
    if (hurt !== undefined) hurt.isDamaged = true
  }
}

type Outcome = "closed" | "left" | "interrupted" | "killed"

/** Two who want to recover it at once, of whom the other is always told to wait; and how that ends. */
class Recover extends OnBottle {
  constructor(
    pick: number,
    readonly outcome: Outcome,
    readonly options: Ledger.RecoveringOptions
  ) {
    super(pick)
  }
  verb = "recover"
  can = () => true
  private expected(bottle: ModelBottle): string | null {
    if (bottle.state === "gone") return "LedgerGone"
    const state = stateOf(bottle)
    if (state === "kept" && this.options.kept !== true) return "BottleKept"
    if (state === "left" || state === "kept" || readable(bottle).some(({ by }) => by === "recoverer")) return null
    const isKnown = readable(bottle).some(({ by }) => by === "owner")
    if (!isKnown) return this.options.unknown === true ? null : "OwnerUnknown"
    return bottle.isOwnerAlive ? "OwnerAlive" : null
  }
  act = async (bottle: ModelBottle, { suffix }: RealBottle, real: Real, model: Model) => {
    const plan = planIn(real.directory, suffix)
    const view = { id: plan.id, directory: plan.ledger }
    const recoverer = await real.run(Scope.extend(standIn, real.scope))
    const scopes = await real.run(Effect.all([Scope.make(), Scope.make()]))
    const [first, second] = await real.run(
      Effect.forEach(
        scopes,
        (scope) => Effect.either(Ledger.recovering(view, this.options).pipe(as(recoverer), Scope.extend(scope))),
        { concurrency: "unbounded" }
      )
    )
    if (first === undefined || second === undefined) return assert.fail("two were to try")
    const expected = this.expected(bottle)
    if (expected !== null) {
      for (const tried of [first, second]) {
        assert.strictEqual(tried._tag === "Left" ? tried.left._tag : "recovered", expected)
      }
      return real.run(Effect.forEach(scopes, (scope) => Scope.close(scope, Exit.void), { discard: true }))
    }
    const won = first._tag === "Right" ? 0 : 1
    const [winner, loser] = won === 0 ? [first, second] : [second, first]
    if (winner._tag === "Left") return assert.fail(winner.left.message)
    assert.strictEqual(loser._tag === "Left" ? loser.left._tag : "recovered", "LedgerBusy")
    const { pid } = recoverer.owner.identity
    write(bottle, "recovering", "recoverer", pid)
    bottle.state = "recovering"
    const close = Effect.forEach(scopes, (scope) => Scope.close(scope, Exit.void), { discard: true })
    switch (this.outcome) {
      case "closed": {
        // Nobody knows the name of a bottle whose claim cannot be read, and the next one who wants it takes it over.
        const name = claimIsReadable(bottle) ? bottle.name : null
        await real.run(Effect.zipRight(winner.right.closed, close))
        bottle.state = "gone"
        if (name !== null && model.names.get(name) === bottle) model.names.delete(name)
        break
      }
      case "left":
      case "interrupted": {
        if (this.outcome === "left") await real.run(winner.right.left([]))
        await real.run(close)
        write(bottle, "left", "recoverer", pid)
        bottle.state = "left"
        break
      }
      case "killed":
        Fs.writeFileSync(`${plan.ledger}/lock`, JSON.stringify(recoverer.owner.identity))
    }
    await real.run(recoverer.kill)
  }
  override toString = () => `recover(${this.pick}, ${this.outcome}, ${JSON.stringify(this.options)})`
}

const pick = fc.nat({ max: 3 })
const flag = fc.constantFrom(undefined, true)

const commands = fc.commands(
  [
    fc.option(fc.constantFrom(...NAMES)).map((name) => new Claim(name)),
    fc.tuple(pick, fc.constantFrom("up" as const, "closing" as const)).map((args) => new Note(...args)),
    pick.map((at) => new Fail(at)),
    pick.map((at) => new Keep(at)),
    pick.map((at) => new Close(at)),
    pick.map((at) => new Kill(at)),
    fc.tuple(pick, fc.nat()).map((args) => new Tear(...args)),
    fc.tuple(pick, fc.nat(), fc.nat()).map((args) => new Damage(...args)),
    fc
      .tuple(
        pick,
        fc.constantFrom("closed" as const, "left" as const, "interrupted" as const, "killed" as const),
        fc.record({ kept: flag, unknown: flag })
      )
      .map((args) => new Recover(...args))
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
