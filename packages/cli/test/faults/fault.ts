/** A fault, and one run of it: arranged, provoked, awaited and held against what must be true after every fault. */
import { type User, users } from "../e2e/harness.js"
import * as Random from "./random.js"
import { Scene } from "./scene.js"

/** Something that goes wrong at a moment that nobody chose. */
export interface Fault {
  readonly name: string
  /** What goes wrong, in a sentence without its end. */
  readonly about: string
  /** How often it is provoked in the bounded form. */
  readonly boundedRuns: number
  /** How long a run may take, all of its waits included; 300 s by default. */
  readonly boundMillis?: number
  /** Which kind of bundle its bottles have; beside the launch by default. */
  readonly bundle?: "container"
  /** Whether it stops something that other tests share: it is left out of the bounded form. */
  readonly disturbs?: boolean
  /** Why it cannot be provoked here. */
  readonly lacks?: () => string | undefined
  /**
   * Arranges a bottle, provokes the fault, awaits the end of what is to end, and asserts what is this fault's own. That
   * nothing is left, and that no exit code was invented, is asserted of every run.
   */
  readonly provoke: (scene: Scene) => Promise<void>
}

/** How a run of a fault went. */
export interface Outcome {
  readonly fault: string
  readonly seed: number
  /** How long it took until nothing was left. */
  readonly clearedMillis: number
  readonly failure: string | undefined
  /** What was measured beside, a line each. */
  readonly measured: ReadonlyArray<string>
  /** What was done, with the time of each. */
  readonly trail: string
}

const BOUND_MILLIS = 300_000

const usersOf = ({ bundle }: Fault): readonly [User, ...ReadonlyArray<User>] => {
  const able = bundle === "container" ? users.filter(({ uid }) => uid === 0) : users
  const [first, ...others] = able
  if (first === undefined) throw new Error("nobody can provoke it")
  return [first, ...others]
}

const bounded = async (work: Promise<void>, boundMillis: number): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the run took longer than ${boundMillis} ms`)), boundMillis)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Provokes a fault once. Everything random in it follows from the seed; the times that things take do not. */
export const run = async (fault: Fault, seed: number): Promise<Outcome> => {
  const random = Random.make(seed)
  const scene = new Scene(random.pick(usersOf(fault)), random, { docker: fault.bundle === "container" })
  const whole = async () => {
    await fault.provoke(scene)
    if (scene.clearedMillis === undefined) await scene.cleared()
    scene.assertNoInvention()
  }
  let failure: string | undefined
  try {
    await bounded(whole(), fault.boundMillis ?? BOUND_MILLIS)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    failure = `${fault.name} with seed ${seed}: ${why}\n${scene.trail}\n${scene.remains()}`
  } finally {
    await scene.close()
  }
  return {
    fault: fault.name,
    seed,
    clearedMillis: scene.clearedMillis ?? Number.NaN,
    failure,
    measured: scene.measured,
    trail: scene.trail
  }
}
