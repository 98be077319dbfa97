/** Every fault that there is. */
import type { Fault } from "../fault.js"
import { owner } from "./owner.js"
import { signals } from "./signals.js"

/** Every fault that there is. */
export const all: ReadonlyArray<Fault> = [...owner, ...signals]
