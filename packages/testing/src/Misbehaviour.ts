/**
 * What a `FakeSmolvm` can be told to do wrong.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"

/**
 * When a process does it.
 *
 * - `before`: before it has done anything
 * - `half-way`: after a part of its work that stays. A create has reserved the name (from 1.0.0); a start has booted a
 *   machine that does not answer (`unreachable`); a stop has told it to end (`unreachable`); a delete has stopped it; a
 *   fork has made its first clone; an exec or a run has run its command; a copy has written an empty file
 * - `after`: after all of its work, before it has said so
 *
 * @since 0.1.0
 * @category models
 */
export type Moment = "before" | "half-way" | "after"

/**
 * What goes wrong with a process.
 *
 * - `wait`: goes on only when `until` is done; `at` is `before` unless given
 * - `hang`: goes no further, until a signal ends it; with `ignoresSigterm` only SIGKILL does
 * - `fail`: says `stderr` and exits with `exitCode`, by default 1 and an error of smolvm's own making
 * - `die`: a signal ends it, SIGKILL unless given
 * - `panic`: exits 101, as a Rust program does when its standard output is closed early
 * - `pretend`: does nothing of its work, and says what it says when it is done
 * - `drop-policy`: forgets the policy of a machine that it makes, as smolvm before 1.8.0 does with `--from`
 * - `garble`: prints what `as` makes of its standard output, or a piece of it (`cut`), JSON of other types
 *   (`wrong-types`), or a line before it (`banner`)
 * - `flood`: writes so many more bytes to one of its streams
 * - `noise`: writes a line to standard error first; by default the stray note of 1.7.0
 *
 * @since 0.1.0
 * @category models
 */
export type How =
  | { readonly how: "wait"; readonly until: Effect.Effect<unknown>; readonly at?: Moment | undefined }
  | { readonly how: "hang"; readonly at?: Moment | undefined; readonly ignoresSigterm?: boolean | undefined }
  | {
      readonly how: "fail"
      readonly at?: Moment | undefined
      readonly exitCode?: number | undefined
      readonly stderr?: string | undefined
    }
  | { readonly how: "die"; readonly at?: Moment | undefined; readonly signal?: string | undefined }
  | { readonly how: "panic"; readonly at?: Moment | undefined }
  | { readonly how: "pretend" }
  | { readonly how: "drop-policy" }
  | { readonly how: "garble"; readonly as: "cut" | "wrong-types" | "banner" | ((stdout: string) => string) }
  | { readonly how: "flood"; readonly stream: "stdout" | "stderr"; readonly bytes: number }
  | { readonly how: "noise"; readonly stderr?: string | undefined }

/**
 * Which processes misbehave, how often, and how.
 *
 * @since 0.1.0
 * @category models
 */
export type Misbehaviour = How & {
  /** The subcommand ("machine start", "--version"), whatever aliases were used; or whether these arguments are meant. */
  readonly when: string | ((args: ReadonlyArray<string>) => boolean)
  /** How many processes do so: 1 by default. */
  readonly times?: number | "any" | undefined
}

/**
 * The note that 1.7.0 writes to standard error on every command of an ordinary install (`stray_stub_note`); its words are
 * ours.
 *
 * @since 0.1.0
 * @category constants
 */
export const strayNote = "note: ignoring a stray packed stub beside the smolvm binary\n"
