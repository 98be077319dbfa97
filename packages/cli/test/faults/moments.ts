/** The moments of a bottle's life that can be seen from outside, and how long each is before the next, as measured. */
import { names, read, type Scene } from "./scene.js"

/** A moment, and how it is seen. */
interface Mark {
  readonly name: string
  readonly isThere: (scene: Scene) => boolean
  /** Whether only bottles with a container come by it. */
  readonly isOfContainer?: boolean
}

const record = (scene: Scene): string => {
  const [id] = names(scene.home.records)
  return id === undefined ? "" : read(`${scene.home.records}/${id}/launch.jsonl`)
}

const told =
  (tag: string, stage: string) =>
  (scene: Scene): boolean =>
    record(scene).includes(`"_tag":"${tag}","stage":"${stage}"`)

const written =
  (tag: string) =>
  (scene: Scene): boolean => {
    const [id] = scene.ledgers()
    return id !== undefined && read(scene.ledgerFile(id)).includes(`"_tag":"${tag}"`)
  }

const launchMarks: ReadonlyArray<Mark> = [
  { name: "the start of its process", isThere: () => true },
  { name: "its claim", isThere: written("Claimed") },
  { name: "its network", isThere: told("StageStarted", "network"), isOfContainer: true },
  { name: "its bundle", isThere: told("StageStarted", "bundle"), isOfContainer: true },
  { name: "its creation", isThere: told("StageStarted", "create") },
  { name: "its start", isThere: told("StageStarted", "start") },
  { name: "its first readiness", isThere: told("StageStarted", "ready") },
  { name: "its relay", isThere: told("StageStarted", "relay") },
  { name: "its proof", isThere: told("StageStarted", "proof") }
]

/** What a launch may take between two marks until one was measured. */
const UNMEASURED_MILLIS = 300

/** The lengths that were seen last, by the name of a mark. */
const lengths = new Map<string, number>()

/**
 * Waits for a moment of a launch that chance chooses: first for something that can be seen, then for a random part of
 * what usually passes until the next such thing, and a little more. Gives up waiting when the launch has ended.
 */
export const ofLaunch = async (scene: Scene, isOver: () => boolean): Promise<void> => {
  const marks = launchMarks.filter(({ isOfContainer }) => isOfContainer !== true || scene.hasContainer)
  const at = scene.random.below(marks.length)
  const mark = marks[at]
  if (mark === undefined) return
  let previous: { readonly name: string; readonly seen: number } | undefined
  for (const { isThere, name } of marks.slice(0, at + 1)) {
    await scene.until(name, () => isThere(scene) || isOver())
    const seen = performance.now()
    if (previous !== undefined) lengths.set(previous.name, seen - previous.seen)
    previous = { name, seen }
  }
  scene.say(`saw ${mark.name}`)
  await scene.moment(1.2 * (lengths.get(mark.name) ?? UNMEASURED_MILLIS))
}

/** What a release takes until one was measured. */
const RELEASE_MILLIS = 150

let releaseMillis = RELEASE_MILLIS

/** Notes how long a release took, for the next one that is to be hit. */
export const noteRelease = (millis: number): void => {
  releaseMillis = Math.min(2000, 0.7 * releaseMillis + 0.3 * millis)
}

/** Waits for a random moment of a release that begins now. */
export const ofRelease = (scene: Scene): Promise<void> => scene.moment(1.2 * releaseMillis)
