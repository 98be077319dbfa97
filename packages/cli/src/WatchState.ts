/**
 * What a watch of a bottle's refusals shows and asks: a pure machine. Refusals and keys go in, lines and decisions come
 * out; whoever has the terminal draws what `view` gives, and says when it is drawn.
 *
 * The guest chooses what is refused, when, and how often. So the question in front stays until it is answered, a key
 * counts only for a question that has been on the screen, whole, for a moment in which no other key came, and what waits
 * is bounded.
 *
 * @since 0.1.0
 */
import type { Refusal } from "./Refusal.js"

/**
 * Questions that wait behind the one in front; of more it is only told how often they were refused.
 *
 * @since 0.1.0
 * @category models
 */
export const WAITING_MAX = 32

/**
 * Refusals on which nothing can be decided here, and which are told all the same.
 *
 * @since 0.1.0
 * @category models
 */
export const TOLD_MAX = 100

/**
 * How long a question must have been on the screen, and no key been pressed, before a key answers it.
 *
 * @since 0.1.0
 * @category models
 */
export const QUIET_MILLIS = 500

/**
 * After "not now" a host is asked about again when it is refused again, but not at once.
 *
 * @since 0.1.0
 * @category models
 */
export const SNOOZE_MILLIS = 30_000

/** Narrower windows are drawn as if they were so wide. */
const COLUMNS_MIN = 20

/**
 * Where "for good" writes to: a file, or nowhere, and then what to do for it.
 *
 * @since 0.1.0
 * @category models
 */
export type Saving =
  | { readonly _tag: "File"; readonly path: string }
  | { readonly _tag: "Nowhere"; readonly advice: string }

/**
 * A question: a refusal, how often it was seen, and by which number it is answered.
 *
 * @since 0.1.0
 * @category models
 */
export interface Question {
  readonly number: number
  readonly refusal: Refusal & { readonly entry: string }
  readonly count: number
}

/**
 * - `drawnAt`: since when the question in front is on the screen; `null` while it is not
 * - `isWhole`: whether all of it is
 * - `strayAt`: when a key was pressed last that answered nothing
 * - `settled`: what is asked about no more, or not before a time
 * - `told`: refusals that were told of, since nothing can be decided on them
 * - `beyond`: refusals of which nothing is kept but that they were
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly id: string
  readonly saving: Saving
  readonly front: Question | null
  readonly isDeciding: boolean
  readonly drawnAt: number | null
  readonly isWhole: boolean
  readonly strayAt: number
  readonly waiting: ReadonlyArray<Question>
  readonly settled: ReadonlyMap<string, number>
  readonly told: ReadonlySet<string>
  readonly beyond: number
  readonly nextNumber: number
}

/**
 * What happens. `at` is of a clock that never goes back, in milliseconds.
 *
 * - `Refused`: something was refused that is not allowed by now
 * - `Judged`: what speaks against the question in front by now, which is not on the screen yet
 * - `Keys`: what was typed, as it was read at once
 * - `Drawn`: the view of this state is on the screen; `isWhole` where all of it had room
 * - `Hidden`: it no longer is: the window has another size
 * - `Decided`: what was decided is in force, or is not, and the question stays
 *
 * @since 0.1.0
 * @category models
 */
export type Input =
  | { readonly _tag: "Refused"; readonly refusal: Refusal; readonly at: number }
  | { readonly _tag: "Judged"; readonly question: number; readonly warnings: ReadonlyArray<string> }
  | { readonly _tag: "Keys"; readonly keys: string; readonly at: number }
  | { readonly _tag: "Drawn"; readonly question: number; readonly isWhole: boolean; readonly at: number }
  | { readonly _tag: "Hidden" }
  | { readonly _tag: "Decided"; readonly question: number; readonly isInForce: boolean; readonly line: string }

/**
 * What is to be done: a line to be told, a rule to be added, or the end, by `q` or by Ctrl-C.
 *
 * @since 0.1.0
 * @category models
 */
export type Output =
  | { readonly _tag: "Line"; readonly text: string }
  | {
      readonly _tag: "Allow"
      readonly question: number
      readonly entry: string
      readonly lasting: "bottle" | "good"
    }
  | { readonly _tag: "Quit"; readonly by: "q" | "interrupt" }

/**
 * A step: the state after it, and what is to be done.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly state: State
  readonly outputs: ReadonlyArray<Output>
}

/**
 * The state of a watch that has seen nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const initial = (id: string, saving: Saving): State => ({
  id,
  saving,
  front: null,
  isDeciding: false,
  drawnAt: null,
  isWhole: false,
  strayAt: 0,
  waiting: [],
  settled: new Map(),
  told: new Set(),
  beyond: 0,
  nextNumber: 1
})

const nothing = (state: State): Step => ({ state, outputs: [] })

const again = (question: Question): Question => ({ ...question, count: question.count + 1 })

const told = (state: State, refusal: Refusal): Step => {
  if (state.told.has(refusal.key)) return nothing(state)
  if (state.told.size >= TOLD_MAX) return nothing({ ...state, beyond: state.beyond + 1 })
  const text = `refused ${refusal.target} (${refusal.why})${refusal.advice === null ? "" : `; ${refusal.advice}`}`
  return { state: { ...state, told: new Set([...state.told, refusal.key]) }, outputs: [{ _tag: "Line", text }] }
}

const refused = (state: State, refusal: Refusal, at: number): Step => {
  const { entry } = refusal
  if (entry === null) return told(state, refusal)
  if (state.front?.refusal.key === refusal.key) return nothing({ ...state, front: again(state.front) })
  if (state.waiting.some((one) => one.refusal.key === refusal.key)) {
    const waiting = state.waiting.map((one) => (one.refusal.key === refusal.key ? again(one) : one))
    return nothing({ ...state, waiting })
  }
  if (at < (state.settled.get(refusal.key) ?? -Infinity)) return nothing(state)
  const question: Question = { number: state.nextNumber, refusal: { ...refusal, entry }, count: 1 }
  const nextNumber = state.nextNumber + 1
  if (state.front === null) return nothing(inFront({ ...state, nextNumber }, question))
  return state.waiting.length >= WAITING_MAX
    ? nothing({ ...state, beyond: state.beyond + 1 })
    : nothing({ ...state, nextNumber, waiting: [...state.waiting, question] })
}

const inFront = (state: State, front: Question | null): State => ({
  ...state,
  front,
  isDeciding: false,
  drawnAt: null,
  isWhole: false
})

const next = (state: State): State => {
  const [front = null, ...waiting] = state.waiting
  return inFront({ ...state, waiting }, front)
}

/** A name may look like one that was allowed since it was refused. What is on the screen stays as it is. */
const judged = (state: State, { question, warnings }: Extract<Input, { readonly _tag: "Judged" }>): State =>
  state.front?.number !== question || state.drawnAt !== null
    ? state
    : { ...state, front: { ...state.front, refusal: { ...state.front.refusal, warnings } } }

/** The question in front is answered, and not asked again before that time. */
const settled = (state: State, until: number): State =>
  state.front === null
    ? state
    : next({ ...state, settled: new Map([...state.settled, [state.front.refusal.key, until]]) })

/** Whether a key that is pressed now is about the question in front. */
const isAnswerable = ({ drawnAt, front, isDeciding, strayAt }: State, at: number): boolean =>
  front !== null && !isDeciding && drawnAt !== null && at - Math.max(drawnAt, strayAt) >= QUIET_MILLIS

const answers = ["b", "g", "n", "x"] as const

const pressed = (state: State, keys: string, at: number): Step => {
  if (keys.includes("\u0003")) return { state, outputs: [{ _tag: "Quit", by: "interrupt" }] }
  if (keys === "q" || keys === "\u0004") return { state, outputs: [{ _tag: "Quit", by: "q" }] }
  const { front, saving } = state
  const key = answers.find((one) => one === keys)
  // More than one at once is pasted, or a key of a name of its own; and either says nothing about a question.
  if (front === null || key === undefined || !isAnswerable(state, at)) return nothing({ ...state, strayAt: at })
  const { entry, target } = front.refusal
  switch (key) {
    case "n":
      return {
        state: settled(state, at + SNOOZE_MILLIS),
        outputs: [{ _tag: "Line", text: `not now: ${target}` }]
      }
    case "x":
      return {
        state: settled(state, Infinity),
        outputs: [{ _tag: "Line", text: `not asked again by this watch: ${target}` }]
      }
    default: {
      // What is allowed has to have been read.
      if (!state.isWhole || (key === "g" && saving._tag === "Nowhere")) return nothing({ ...state, strayAt: at })
      const lasting = key === "g" ? "good" : "bottle"
      return {
        state: { ...state, isDeciding: true },
        outputs: [{ _tag: "Allow", question: front.number, entry, lasting }]
      }
    }
  }
}

/**
 * One step of the machine.
 *
 * @since 0.1.0
 * @category conversions
 */
export const step = (state: State, input: Input): Step => {
  switch (input._tag) {
    case "Refused":
      return refused(state, input.refusal, input.at)
    case "Judged":
      return nothing(judged(state, input))
    case "Keys":
      return pressed(state, input.keys, input.at)
    case "Drawn":
      // Drawn once more, it is the same question in the same words.
      return nothing(
        state.front?.number !== input.question
          ? state
          : {
              ...state,
              isWhole: input.isWhole,
              drawnAt: input.isWhole && !state.isWhole ? input.at : (state.drawnAt ?? input.at)
            }
      )
    case "Hidden":
      return nothing({ ...state, drawnAt: null, isWhole: false })
    case "Decided": {
      if (state.front?.number !== input.question) return nothing(state)
      // What is allowed and refused all the same is asked about again.
      const after = input.isInForce ? next(state) : { ...inFront(state, state.front) }
      return { state: after, outputs: [{ _tag: "Line", text: input.line }] }
    }
  }
}

/**
 * A line of the view, and how it is to be shown.
 *
 * @since 0.1.0
 * @category models
 */
export interface ViewLine {
  readonly text: string
  readonly tone: "plain" | "rule" | "warning" | "dim"
}

/**
 * What is drawn: lines that have room in the width, and whether they have in the height.
 *
 * @since 0.1.0
 * @category models
 */
export interface View {
  readonly question: number | null
  readonly lines: ReadonlyArray<ViewLine>
  readonly isWhole: boolean
}

const unprintable = /[^\x20-\x7e]/g

/**
 * Text in lines of at most so many characters, broken at spaces where there are some, in printable ASCII.
 *
 * @since 0.1.0
 * @category conversions
 */
export const wrap = (text: string, width: number, indent = ""): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let rest = text.replace(unprintable, "?")
  const room = Math.max(1, width - indent.length)
  while (rest.length > room) {
    const space = rest.lastIndexOf(" ", room)
    const at = space > 0 ? space : room
    lines.push(`${indent}${rest.slice(0, at)}`)
    rest = rest.slice(space > 0 ? at + 1 : at)
  }
  return [...lines, `${indent}${rest}`]
}

/** Never broken at a place of its own choice: every character of it is there, in its order. */
const wrapRule = (entry: string, width: number): ReadonlyArray<string> => {
  const room = Math.max(1, width - 4)
  const parts: Array<string> = []
  for (let at = 0; at < entry.length; at += room) parts.push(`    ${entry.slice(at, at + room)}`)
  return parts
}

const keysOf = ({ saving }: State): string => {
  const good = saving._tag === "File" ? "[g] for good   " : ""
  return `[b] for this bottle   ${good}[n] not now   [x] ask no more   [q] quit`
}

const behind = ({ beyond, waiting }: State): ReadonlyArray<string> => [
  ...(waiting.length === 0 ? [] : [`${waiting.length} more to decide on`]),
  ...(beyond === 0 ? [] : [`${beyond} refusals of more hosts than are kept here`])
]

/**
 * What is to be seen of a state in a window of this size.
 *
 * @since 0.1.0
 * @category conversions
 */
export const view = (state: State, { columns, rows }: { readonly columns: number; readonly rows: number }): View => {
  // The last column is left free: some terminals begin a new line with it.
  const width = Math.max(COLUMNS_MIN, columns) - 1
  const { front, isDeciding, saving } = state
  const lines = (tone: ViewLine["tone"], texts: ReadonlyArray<string>): ReadonlyArray<ViewLine> =>
    texts.map((text) => ({ text, tone }))
  if (front === null) {
    const text = ["nothing to decide on", ...behind(state), "[q] quit"].join("; ")
    return { question: null, lines: lines("dim", wrap(text, width)), isWhole: true }
  }
  const { count, refusal } = front
  const times = count === 1 ? "" : `, ${count} times`
  const needed = [
    ...lines("plain", wrap(`${refusal.target} was refused: ${refusal.why}${times}`, width)),
    ...lines(
      "warning",
      refusal.warnings.flatMap((warning) => wrap(`! ${warning}`, width, "  "))
    ),
    ...lines("plain", wrap(`the rule that would be added, ${refusal.entry.length} characters:`, width, "  ")),
    ...lines("rule", wrapRule(refusal.entry, width)),
    ...lines("dim", saving._tag === "File" ? wrap(`for good: in ${saving.path}`, width, "  ") : [])
  ]
  const keys = lines("plain", wrap(isDeciding ? "..." : keysOf(state), width, "  "))
  const whole = [
    ...needed,
    ...lines("dim", saving._tag === "File" ? [] : wrap(`for good: ${saving.advice}`, width, "  ")),
    ...keys,
    ...lines(
      "dim",
      behind(state).flatMap((text) => wrap(text, width, "  "))
    )
  ]
  // Where there is little room, what does not bear on the answer is left out first.
  for (const drawn of [whole, [...needed, ...keys]]) {
    if (drawn.length < rows) return { question: front.number, lines: drawn, isWhole: columns >= COLUMNS_MIN }
  }
  const short = [
    `${refusal.target} was refused`,
    "the window is too small to show the rule: make it larger, or [n] not now, [x] ask no more, [q] quit"
  ]
  const fitting = short.flatMap((text) => wrap(text, width)).slice(0, Math.max(1, rows - 1))
  return { question: front.number, lines: lines("plain", fitting), isWhole: false }
}
