/**
 * `bottle-keeper sweep STATE`: takes down what dead owners left of all bottles. A launch starts it where it sees one.
 *
 * @since 0.1.0
 */
import * as Sweep from "@bottle/engine/Sweep"
import * as Unattended from "./Unattended.js"

/**
 * Sweeps the state directory that the word names, and ends the process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = ([state = "", ...others]: ReadonlyArray<string>): void =>
  state.startsWith("/") && others.length === 0 ? Unattended.run(state, Sweep.run({ state })) : Unattended.refuse()
