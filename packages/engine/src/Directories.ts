/**
 * Where a bottle's own files are on the host, as the XDG base directory specification places them.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The directories that the engine writes to. All are the user's own; none is ever mounted into a guest.
 *
 * - `cache`: packs that are made once and booted from many times
 * - `state`: what has to survive a reboot
 * - `run`: one directory per living bottle (mode 0700) with its socket
 *
 * @since 0.1.0
 * @category models
 */
export class Directories extends Schema.Class<Directories>("@bottle/engine/Directories")(
  {
    cache: Schema.String.annotations({ description: "Packs that are made once and booted from many times" }),
    state: Schema.String.annotations({ description: "What has to survive a reboot" }),
    run: Schema.String.annotations({ description: "One directory for each bottle that lives, with its socket" })
  },
  { description: "The directories of the host that a launch writes to" }
) {}

const absolute = (value: string | undefined): string | undefined =>
  value !== undefined && value.startsWith("/") ? value : undefined

/**
 * The directories for an environment: `XDG_CACHE_HOME`, `XDG_STATE_HOME` and `XDG_RUNTIME_DIR` where they hold an
 * absolute path (the specification says to ignore a relative one), their defaults below `HOME` otherwise. Without
 * `XDG_RUNTIME_DIR`, `run` is below `state`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEnvironment = (environment: Readonly<Record<string, string | undefined>>): Directories => {
  const home = absolute(environment["HOME"]) ?? "/"
  const at = (base: string | undefined, fallback: string) =>
    `${base ?? `${home.replace(/\/$/, "")}/${fallback}`}/bottle`
  const state = at(absolute(environment["XDG_STATE_HOME"]), ".local/state")
  const runtime = absolute(environment["XDG_RUNTIME_DIR"])
  return new Directories({
    cache: at(absolute(environment["XDG_CACHE_HOME"]), ".cache"),
    state,
    run: runtime === undefined ? `${state}/run` : `${runtime}/bottle`
  })
}
